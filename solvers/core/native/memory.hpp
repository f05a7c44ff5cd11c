// What a language without its library needs: memory that ends with a call, growing arrays, sorting.
//
// No header of a C++ library is used, so that any C++ compiler will do, and takes a second.
#pragma once
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

using i32 = int32_t;
using i64 = int64_t;
using i128 = __int128;

template <class T> T min(T a, T b) { return b < a ? b : a; }
template <class T> T max(T a, T b) { return a < b ? b : a; }
inline double real(i64 x) { return static_cast<double>(x); }

// The blocks of a call, freed together, also when one cannot be had.
struct Memory {
    struct alignas(16) Block {
        Block *before;
    };
    Block *last;
    jmp_buf failed;

    void *take(size_t bytes) {
        auto *block = static_cast<Block *>(malloc(sizeof(Block) + bytes));
        if (!block) longjmp(failed, 1);
        block->before = last, last = block;
        return block + 1;
    }
    void free_since(Block *mark) {
        while (last != mark) {
            Block *before = last->before;
            free(last);
            last = before;
        }
    }
};
static thread_local Memory memory;

// A growing array of plain values.
template <class T> struct Array {
    T *at = nullptr;
    i64 size = 0, room = 0;

    explicit Array(i64 count = 0) { reserve(count), size = count; }
    void reserve(i64 count) {
        if (count <= room) return;
        room = max(max<i64>(16, count), 2 * room);
        T *wider = static_cast<T *>(memory.take(static_cast<size_t>(room) * sizeof(T)));
        if (size) memcpy(static_cast<void *>(wider), at, static_cast<size_t>(size) * sizeof(T));
        at = wider;
    }
    void push(const T &value) {
        const T copy = value;
        reserve(size + 1);
        at[size++] = copy;
    }
    void copy(const T *from) { memcpy(static_cast<void *>(at), from, static_cast<size_t>(size) * sizeof(T)); }
    T &operator[](i64 k) { return at[k]; }
    const T &operator[](i64 k) const { return at[k]; }
};

// The last position of a rising list with a value of at most x, or -1.
template <class T> i64 last(const T *at, i64 size, T x) {
    i64 low = -1;
    for (i64 high = size; high - low > 1;) {
        const i64 middle = (low + high) / 2;
        (at[middle] <= x ? low : high) = middle;
    }
    return low;
}

template <class T> void swap(T &a, T &b) {
    const T c = a;
    a = b, b = c;
}

// Quicksort.
template <class T, class Less> void sort(T *at, i64 size, Less less) {
    while (size > 1) {
        const T pivot = at[(size - 1) / 2];
        i64 i = -1, j = size;
        for (;;) {
            do ++i;
            while (less(at[i], pivot));
            do --j;
            while (less(pivot, at[j]));
            if (i >= j) break;
            swap(at[i], at[j]);
        }
        sort(at, ++j, less);
        at += j, size -= j;
    }
}
