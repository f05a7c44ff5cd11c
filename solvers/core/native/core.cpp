// The C interface: one call solves one node.
#include "search.hpp"

enum Code { OPTIMAL, LIMIT, BRANCH, INFEASIBLE, WIDE, SCALE, MEMORY, MALFORMED };

// A break step so many times heavier than the middle one of those near it is branched on once TRIAL
// states, and 16 for each class, did not end the search; with HUGE_STEP, from LARGE classes on, at once.
constexpr double UNEVEN = 8.0, HUGE_STEP = 32.0;
constexpr i64 TRIAL = 4096, LARGE = 500;

struct Answer {
    double bound, open, multiplier; // cost above the break solution: of the relaxation, of what is left
    i64 branch;                     // the class to branch on, or -1
    i64 fault, classes, items, core, total, peak;
};

// States after which to branch.
static i64 trial(const Reduction &red, Memory &memory) {
    const auto &steps = red.r.steps;
    if (red.r.brk >= steps.size) return INT64_MAX;
    Array<i64> weight(memory);
    i64 alive = 0;
    for (i64 k = std::max<i64>(0, red.r.brk - NEAR); k < std::min(steps.size, red.r.brk + NEAR); ++k) {
        weight.push(steps[k].weight);
        alive += fabs(steps[k].slope - red.r.multiplier) * static_cast<double>(steps[k].weight) <= red.spare;
    }
    if (2 * alive < weight.size) return INT64_MAX;
    std::nth_element(weight.begin(), weight.at + (weight.size - 1) / 2, weight.end());
    const double middle = static_cast<double>(weight[(weight.size - 1) / 2]);
    const double times = static_cast<double>(steps[red.r.brk].weight) / middle;
    if (times > HUGE_STEP && red.p.classes >= LARGE) return 0;
    return times > UNEVEN ? TRIAL + 16 * red.p.classes : INT64_MAX;
}

// Bits of a number.
static int length(double x) {
    int e;
    frexp(x, &e);
    return std::max(e, 0);
}

template <class Cost>
static Code search(Reduction &red, const i64 *given, int unit, Cost step, Limits limits, i64 tries, Answer &answer,
                   Memory &memory) {
    Search<Cost> s(red, given, unit, step, memory);
    const i64 most = limits.states;
    limits.states = std::min(most, tries);
    const bool done = s.run(limits);
    s.finish();
    answer.core = s.count.core, answer.total = s.count.total, answer.peak = s.count.peak;
    if (done) return OPTIMAL;
    s.sieve();
    const double lowest = ldexp(static_cast<double>(s.lowest) / static_cast<double>(step), unit);
    answer.open = std::max(red.bound, lowest - SLACK * fabs(lowest) - 5e-324);
    return s.count.total >= tries && tries < most ? BRANCH : LIMIT;
}

static Code solve(const Problem &p, const i64 *given, const Limits &limits, bool may_branch, i64 *base, i64 *choice,
                  uint8_t *kept, Answer &answer, Memory &memory) {
    const Ends ends = survey(p, memory);
    answer.fault = ends.fault;
    if (ends.fault) return MALFORMED;
    if (ends.least > p.capacity) return INFEASIBLE;
    if (ends.largest != 0.0 && !(ends.largest > 0x1p-900 && ends.largest < 0x1p900)) return SCALE;
    Relaxation relaxation = relax(p, ends, memory);
    Reduction red(p, relaxation, given, ends.whole, memory);
    Code code = OPTIMAL;
    answer.bound = answer.open = red.bound, answer.multiplier = relaxation.multiplier;
    const i64 tries = may_branch && !red.settled() ? trial(red, memory) : INT64_MAX;
    if (tries == 0 && limits.states > 0) {
        code = BRANCH, answer.branch = relaxation.steps[relaxation.brk].cls;
        if (given) memcpy(red.chosen.at, given, static_cast<size_t>(p.classes) * sizeof(i64));
        for (i64 i = 0; i < p.classes; ++i) answer.classes += kept[i] = red.gap[i] <= red.spare;
    } else if (!red.settled() || given) {
        red.keep();
        red.meet(red.chosen.at);
        if (given) red.meet(given);
        answer.classes = red.cls.size, answer.items = red.item.size;
        if (tries < limits.states) answer.branch = relaxation.steps[relaxation.brk].cls;
        const int sums = length(static_cast<double>(p.classes)) + 2, bits = red.bits.span() + sums;
        const int moves = length(red.reach) + 3, unit = red.bits.span() ? red.bits.low : 0;
        if (bits > 122) return WIDE;
        const bool narrow = bits + moves <= 58;
        const int spare = narrow ? 58 - bits : std::min(122 - bits, moves + 16);
        // A multiple of the break step's weight: then slopes that tie with it are not rounded.
        const i128 whole = relaxation.brk < relaxation.steps.size ? relaxation.steps[relaxation.brk].weight : 1;
        i128 step = static_cast<i128>(1) << spare;
        if (whole <= step) step = step / whole * whole;
        code = narrow ? search<i64>(red, given, unit, static_cast<i64>(step), limits, tries, answer, memory)
                      : search<i128>(red, given, unit, step, limits, tries, answer, memory);
    }
    for (i64 k = 0; k < red.cls.size; ++k) kept[red.cls[k]] = 1;
    memcpy(base, relaxation.base.at, static_cast<size_t>(p.classes) * sizeof(i64));
    memcpy(choice, red.chosen.at, static_cast<size_t>(p.classes) * sizeof(i64));
    return code;
}

#define EXPORT extern "C" __attribute__((visibility("default")))

#ifndef SOURCES
#define SOURCES ""
#endif
EXPORT const char *const bitknap_sources = SOURCES;

EXPORT int bitknap_core(i64 classes, i64 items, const i64 *begin, const i64 *end, const double *cost,
                            const i64 *weight, i64 capacity, const i64 *given, double seconds, i64 states,
                            const i32 *stop, int may_branch, i64 *base, i64 *choice, uint8_t *kept, Answer *answer) {
    Memory memory;
    *answer = Answer{};
    answer->branch = -1;
    const Problem p{classes, items, begin, end, cost, weight, capacity};
    int code = MEMORY;
    if (!setjmp(memory.failed))
        code = solve(p, given, {seconds, states, stop}, may_branch, base, choice, kept, *answer, memory);
    memory.give_all();
    return code;
}
