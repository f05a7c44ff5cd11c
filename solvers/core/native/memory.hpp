// Memory of one call: blocks that are freed together when it ends, also when one cannot be had.
#pragma once
#include <algorithm>
#include <math.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

using i32 = int32_t;
using i64 = int64_t;
using i128 = __int128;

struct Block {
    Block *before, *after;
};

struct Memory {
    Block first{nullptr, nullptr};
    jmp_buf failed;

    void *take(i64 bytes) {
        auto *block = static_cast<Block *>(malloc(sizeof(Block) + static_cast<size_t>(bytes)));
        if (!block) longjmp(failed, 1);
        *block = {&first, first.after};
        if (first.after) first.after->before = block;
        first.after = block;
        return block + 1;
    }
    static void give(void *memory) {
        if (!memory) return;
        Block *block = static_cast<Block *>(memory) - 1;
        block->before->after = block->after;
        if (block->after) block->after->before = block->before;
        free(block);
    }
    void give_all() {
        while (first.after) give(first.after + 1);
    }
};

// A growing array of plain values.
template <class T> struct Array {
    Memory *memory;
    T *at = nullptr;
    i64 size = 0, room = 0;

    explicit Array(Memory &m, i64 count = 0) : memory(&m) {
        reserve(count);
        size = count;
    }
    void reserve(i64 count) {
        if (count <= room) return;
        count = std::max(count, 2 * room);
        T *wider = static_cast<T *>(memory->take(count * static_cast<i64>(sizeof(T))));
        if (size) memcpy(static_cast<void *>(wider), at, static_cast<size_t>(size) * sizeof(T));
        Memory::give(at);
        at = wider;
        room = count;
    }
    void push(const T &value) {
        const T copy = value;
        if (size == room) reserve(std::max<i64>(16, size + 1));
        at[size++] = copy;
    }
    T &operator[](i64 k) { return at[k]; }
    const T &operator[](i64 k) const { return at[k]; }
    T *begin() { return at; }
    T *end() { return at + size; }
};
