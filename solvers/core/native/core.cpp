// The C interface, and the tree above the search.
//
// Where the break step is far heavier than the steps near it, the break solution leaves so much
// room that a core around it would have to move thousands of classes. The class of that step is
// then fixed to each of its items; around each of the relaxations that follow, the core is small,
// and the bound of all but one or two of them is above the incumbent.
#include "search.hpp"

enum Code { OPTIMAL, LIMIT, INFEASIBLE, WIDE, SCALE, MEMORY, MALFORMED };

struct Answer {
    double bound, multiplier; // bound: how far below the answer that of the relaxation is
    i64 fault, classes, items, core, total, peak, branches;
};

struct Solver {
    // A break step so many times heavier than what classes can move on average is branched on, once so
    // many states did not end the search, at once where many classes are left.
    static constexpr double UNEVEN = 2.0, HUGE_STEP = 8.0;
    static constexpr i64 NODES = 32, CHILDREN = 64, TRIAL = 1024, EACH = 16;
    const Limits limits;
    Answer &answer;

    // Find the best choice of a node, of cost `best` or less if that is `known`.
    Code solve(const Problem &p, i64 *best, bool known) {
        const Ends ends(p);
        if ((answer.fault = ends.fault)) return MALFORMED;
        if (ends.least > p.capacity) return INFEASIBLE;
        if (!known && ends.largest != 0.0 && !(ends.largest > 0x1p-900 && ends.largest < 0x1p900)) return SCALE;
        const i64 *given = known ? best : nullptr;
        Relaxation relaxation(p, ends);
        Reduction red(p, relaxation, given, ends.whole);
        const bool many = !known && 2 * red.cls.size > p.classes && uneven(red, HUGE_STEP);
        const bool branches = answer.branches < NODES && uneven(red, UNEVEN);
        Code code = LIMIT;
        if (!many || !branches) code = exact(red, given, branches ? TRIAL + EACH * p.classes : INT64_MAX);
        if (branches && code == LIMIT && !stopped()) code = branch(red);
        if (!known) answer.classes = red.cls.size, answer.items = red.item.size, answer.multiplier = relaxation.multiplier;
        memcpy(best, red.chosen.at, static_cast<size_t>(p.classes) * sizeof(i64));
        answer.bound = red.cost(best) - red.bound;
        return code;
    }

  private:
    bool stopped() const {
        return *limits.stop || answer.total >= limits.states || clock_seconds() >= limits.end;
    }
    // Whether the break step is so many times heavier than what classes can move on average.
    static bool uneven(const Reduction &red, double times) {
        if (red.r.brk >= red.r.steps.size || red.spare < 0.0) return false;
        const Step &step = red.r.steps[red.r.brk];
        if (red.p.end[step.cls] - red.p.begin[step.cls] > CHILDREN) return false;
        return real(step.weight) * real(red.cls.size) > times * red.reach;
    }
    // Choose the unit of the costs, and search.
    Code exact(Reduction &red, const i64 *given, i64 tries) {
        if (red.spare < 0.0 && !given) return OPTIMAL;
        const int bits = red.bits.span() + length(real(red.p.classes)) + 2;
        const int moves = length(red.reach) + 3, unit = red.bits.span() ? red.bits.low : 0;
        if (bits > 122 || unit < -1022) return WIDE;
        const bool narrow = bits + moves <= 58;
        const int spare = narrow ? 58 - bits : min(122 - bits, moves + 16);
        // A multiple of the break step's weight: then slopes that tie with it are not rounded.
        const i128 whole = red.r.brk < red.r.steps.size ? red.r.steps[red.r.brk].weight : 1;
        i128 step = static_cast<i128>(1) << spare;
        if (whole <= step) step = step / whole * whole;
        return narrow ? search<i64>(red, given, unit, static_cast<i64>(step), tries) : search<i128>(red, given, unit, step, tries);
    }
    // Bits of a number.
    static int length(double x) {
        int e;
        frexp(x, &e);
        return max(e, 0);
    }
    template <class Cost> Code search(Reduction &red, const i64 *given, int unit, Cost step, i64 tries) {
        Search<Cost> s(red, given, unit, step);
        const bool done = s.run({limits.end, min(tries, limits.states - answer.total), limits.stop});
        s.finish();
        answer.core += s.core, answer.total += s.total, answer.peak = max(answer.peak, s.peak);
        return done ? OPTIMAL : LIMIT;
    }
    // Fix the class of the break step to each of its items, that of the incumbent first.
    Code branch(Reduction &red) {
        red.keep();
        const Problem &p = red.p;
        const i64 cls = red.r.steps[red.r.brk].cls;
        Array<i64> option, own, begin, end, choice;
        option.push(red.r.base[cls]);
        i64 capacity = p.capacity, at = 0;
        // Only classes that a better choice may move.
        for (i64 i = 0, k = 0; i < p.classes; ++i) {
            const bool left = k < red.cls.size && red.cls[k] == i;
            if (i == cls) at = own.size;
            if (left && i == cls)
                for (i64 x = red.first[k]; x < red.first[k + 1]; ++x) option.push(red.item[x].item);
            if (left || red.chosen[i] != red.r.base[i] || i == cls)
                own.push(i), begin.push(p.begin[i]), end.push(p.end[i]), choice.push(red.chosen[i]);
            else capacity -= p.weight[red.r.base[i]];
            k += left;
        }
        const Problem sub{own.size, p.items, begin.at, end.at, p.cost, p.weight, capacity};
        Code code = OPTIMAL;
        for (i64 o = 1; o < option.size; ++o)
            if (option[o] == red.chosen[cls]) swap(option[o], option[0]);
        for (i64 o = 0; o < option.size && code == OPTIMAL; ++o) {
            answer.branches += 1;
            begin[at] = option[o], end[at] = option[o] + 1;
            Memory::Block *mark = memory.last;
            const Code found = solve(sub, choice.at, true);
            if (found != INFEASIBLE) code = found;
            memory.free_since(mark);
        }
        for (i64 k = 0; k < own.size; ++k) red.chosen[own[k]] = choice[k];
        return code;
    }
};

#define EXPORT extern "C" __attribute__((visibility("default")))

#ifndef SOURCES
#define SOURCES ""
#endif
EXPORT const char *const bitknap_sources = SOURCES;

EXPORT int bitknap_core(i64 classes, i64 items, const i64 *offsets, const double *cost, const i64 *weight, i64 capacity,
                        double seconds, i64 states, const i32 *stop, i64 *choice, Answer *answer) {
    *answer = Answer{};
    int code = MEMORY;
    if (!setjmp(memory.failed)) {
        Solver solver{{clock_seconds() + seconds, states, stop}, *answer};
        code = solver.solve({classes, items, offsets, offsets + 1, cost, weight, capacity}, choice, false);
    }
    memory.free_since(nullptr);
    return code;
}
