// Dynamic programming by reaching: classes enter the core, states are merged and pruned.
//
// Invariants: costs are integers; weights and costs are counted from the break solution; states
// strictly increase in weight and decrease in cost; a state that is gone leads to no choice cheaper
// than the incumbent. When no state is left the incumbent is optimal.
#pragma once
#include "lattice.hpp"
#include "states.hpp"
#include <time.h>

struct Limits {
    double seconds; // from the start of the search
    i64 states;
    const volatile i32 *stop; // not 0: stop now
};

struct Counts {
    i64 total = 0, peak = 0, core = 0;
};

template <class Cost> struct Search {
    struct Far { // a class whose turn has not come
        i64 begin, end, span;
        Cost up, down; // best saving per weight added, least loss per weight given back
    };
    struct Class {
        i64 begin, base, end; // in `near`
    };
    static constexpr i64 MASK = (i64(1) << 40) - 1, TURNS = 24;
    static constexpr Cost NEVER = 2 * BEYOND<Cost>;

    Reduction &red;
    Memory &memory;
    const int unit;
    const Cost step; // costs are multiples of it, and it stands for 2**unit
    i64 room;
    Lattice lattice;
    Array<Item<Cost>> item, near;
    Array<Far> far;
    Array<Class> classes;
    i64 next = 0; // the first that has not entered
    Envelope<Cost> root, outside;
    States<Cost> list[3];
    States<Cost> *states = &list[0];
    Pool nodes;
    Array<i64> ends;
    Cost best;         // cost of the incumbent
    i32 best_node = 0; // 0: the choice of the reduction
    Counts count;
    Cost lowest = 0, up = 0, down = 0, limit = 0; // what an item must pass

    Search(Reduction &reduction, const i64 *given, int unit_, Cost step_, Memory &m)
        : red(reduction), memory(m), unit(unit_), step(step_), room(red.r.room), item(m, red.item.size), near(m),
          far(m, red.cls.size), classes(m), root(m), outside(m), list{States<Cost>(m), States<Cost>(m), States<Cost>(m)},
          nodes(m), ends(m) {
        for (i64 k = 0; k < red.cls.size; ++k) far[k] = measure(red.cls[k], red.first[k], red.first[k + 1]);
        lattice.find(item, step);
        room = room / lattice.g * lattice.g;
        best = exact(red.chosen.at);
        const Cost other = given ? exact(given) : NEVER;
        if (other <= best) best = other, memcpy(red.chosen.at, given, static_cast<size_t>(red.p.classes) * sizeof(i64));
        states->reserve(1);
        states->w[0] = 0, states->v[0] = 0, states->node[0] = 0, states->size = 1;
        rebuild();
    }
    Cost integer_of(i64 j, i64 base) const {
        return (integer<Cost>(red.p.cost[j], unit) - integer<Cost>(red.p.cost[base], unit)) * step;
    }
    Cost exact(const i64 *choice) const {
        Cost sum = 0;
        for (i64 i = 0; i < red.p.classes; ++i)
            if (choice[i] != red.r.base[i]) sum += integer_of(choice[i], red.r.base[i]);
        return sum;
    }
    Far measure(i64 cls, i64 begin, i64 end) {
        Far f{begin, end, 0, 0, NEVER};
        const i64 base = red.r.base[cls];
        i64 lightest = 0, heaviest = 0;
        for (i64 k = begin; k < end; ++k) {
            const i64 j = red.item[k], dw = red.p.weight[j] - red.p.weight[base];
            const Cost dc = integer_of(j, base);
            item[k] = {dc, dw, static_cast<i32>(j)};
            if (dw > 0) f.up = std::max(f.up, quotient<Cost>(-dc, dw));
            if (dw < 0) f.down = std::min(f.down, -quotient<Cost>(-dc, -dw));
            lightest = std::min(lightest, dw), heaviest = std::max(heaviest, dw);
        }
        f.span = heaviest - lightest;
        return f;
    }
    // Let classes enter until no state is left, or until a limit: then return false.
    bool run(const Limits &limits) {
        const double began = clock();
        i64 work = 0, doubled = 8;
        while (states->size) {
            if (next == classes.size) {
                refill();
                work = 0;
                continue;
            }
            if (*limits.stop || count.total >= limits.states) return false;
            // As long as those before, so the next class ends in time.
            const double spent = clock() - began, to_make = static_cast<double>(states->size * size(classes[next]));
            const double share = count.total < 1000000 ? 0.0 : to_make / static_cast<double>(count.total);
            if (spent * (1.0 + share) >= limits.seconds) return false;
            const Cost before = best;
            work += enter(classes[next++]);
            if (states->size >= doubled) doubled = 2 * states->size, complete();
            const i64 waiting = next < classes.size ? near.size - classes[next].begin : 0;
            if (work > (best < before ? waiting : 512 + 2 * waiting)) renew(), work = 0;
            if (nodes.node.size > nodes.many) nodes.forget(*states, best_node);
        }
        return true;
    }
    static i64 size(const Class &c) { return c.end - c.begin; }
    static double clock() {
        timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
    }
    // Combine every state with every item of a class; return the number of candidates made.
    i64 enter(Class c) {
        const i64 n = states->size, made = n * (c.end - c.begin);
        States<Cost> *out = &list[(states - list + 1) % 3], *spare = &list[(states - list + 2) % 3];
        out->reserve(made), spare->reserve(made);
        ends.size = 0;
        for (i64 k = c.begin, size = 0; k < c.end; k += 2) {
            const auto &x = near[k], &y = near[std::min(k + 1, c.end - 1)];
            size = merge<Cost>({states, 0, n, x.dw, (k - c.begin) << 40, x.dc},
                               {states, 0, k + 1 < c.end ? n : 0, y.dw, (k + 1 - c.begin) << 40, y.dc}, *out, size);
            ends.push(size);
        }
        for (; ends.size > 1; ends.size = (ends.size + 1) / 2, std::swap(out, spare)) {
            for (i64 k = 0, from = 0, size = 0; k < ends.size; k += 2) {
                const i64 middle = ends[k], to = ends[std::min(k + 1, ends.size - 1)];
                size = merge<Cost>({out, from, middle, 0, 0, 0}, {out, middle, to, 0, 0, 0}, *spare, size);
                from = to, ends[k / 2] = size;
            }
        }
        states = out;
        states->size = ends[0];
        count.total += made, count.core += 1, count.peak = std::max(count.peak, states->size);
        const i64 fits = std::upper_bound(states->w.at, states->w.at + states->size, room) - states->w.at - 1;
        if (fits >= 0 && states->v[fits] < best) {
            best = states->v[fits];
            best_node = nodes.add(states->node[fits] & MASK, near[c.begin + (states->node[fits] >> 40)].item);
        }
        prune();
        for (i64 s = 0; s < states->size; ++s) {
            const i64 k = c.begin + (states->node[s] >> 40), parent = states->node[s] & MASK;
            states->node[s] = k == c.base ? parent : nodes.add(parent, near[k].item);
        }
        return made;
    }
    Cost threshold(Cost slope) const { return lattice.threshold<Cost>(best - step, room, slope, step); }

    // Keep the states that may lead to a choice cheaper than the incumbent.
    void prune() {
        const bool none = next == classes.size && !far.size;
        const i64 n = none ? 0 : states->size;
        const Cost most = n ? threshold(outside.slope(room - states->w[0])) : 0;
        i64 left = 0;
        for (i64 s = 0, k = outside.x.size - 1; s < n; ++s) {
            const i64 free = room - states->w[s];
            while (k >= 0 && outside.x[k] > free) --k;
            if (k < 0) break;
            const bool stays = states->v[s] - outside.in(k, free) <= most;
            states->w[left] = states->w[s], states->v[left] = states->v[s], states->node[left] = states->node[s];
            left += stays;
        }
        states->size = left;
    }
    // Add every single item outside to the cheapest state that leaves it room.
    void complete() {
        const i64 *w = states->w.at;
        i64 found = -1, with = 0;
        for (i64 k = next < classes.size ? classes[next].begin : near.size; k < near.size; ++k) {
            const i64 s = std::upper_bound(w, w + states->size, room - near[k].dw) - w - 1;
            if (s < 0 || states->v[s] + near[k].dc >= best) continue;
            best = states->v[s] + near[k].dc, found = k, with = s;
        }
        if (found >= 0) best_node = nodes.add(states->node[with], near[found].item);
    }
    // What an item outside must pass to be of use to a state.
    void sieve() {
        lowest = NEVER, limit = threshold(0);
        for (i64 s = 0, k = outside.x.size - 1; s < states->size; ++s) {
            const i64 free = room - states->w[s];
            while (k >= 0 && outside.x[k] > free) --k;
            if (k >= 0) lowest = std::min(lowest, states->v[s] - outside.in(k, free));
        }
        up = outside.slope(room - states->w[0]), down = outside.slope(room - states->w[states->size - 1]);
    }
    bool useful(const Item<Cost> &x) const {
        if (lowest + x.dc + times<Cost>(x.dw > 0 ? up : down, x.dw) > limit) return false;
        const i64 free = room - x.dw, k = root.x.size ? root.find(free) : 0;
        return k >= 0 && (!root.x.size || x.dc - root.in(k, free) <= limit);
    }
    // Drop items that no state can use, then bound and prune without them.
    void renew() {
        if (!states->size) return;
        sieve();
        i64 size = 0, kept = 0;
        for (; next < classes.size; ++next) {
            const Class c = classes[next];
            Class to{size, 0, 0};
            for (i64 k = c.begin; k < c.end; ++k) {
                if (k == c.base) to.base = size;
                if (k == c.base || useful(near[k])) near[size++] = near[k];
            }
            to.end = size;
            if (to.end - to.begin > 1) classes[kept++] = to;
            else size = to.begin;
        }
        near.size = size, classes.size = kept, next = 0;
        rebuild();
        prune();
    }
    // F of the classes that have not entered.
    void rebuild() {
        outside.clear();
        for (i64 t = next; t < classes.size; ++t) {
            outside.chain(near.at, classes[t].base, classes[t].end - 1);
            outside.chain(near.at, classes[t].base, classes[t].begin);
        }
        Cost steepest = 0, flattest = NEVER;
        i64 span = 0;
        for (const Far &f : far) {
            steepest = std::max(steepest, f.up), flattest = std::min(flattest, f.down);
            span += f.span;
        }
        if (steepest > 0) outside.tail(steepest, span, true);
        if (flattest < NEVER) outside.tail(flattest, span, false);
        outside.finish();
    }
    // Lay out the classes whose turn is next: by largest slope up and smallest slope down.
    void refill() {
        near.size = classes.size = next = 0;
        sieve();
        Far *end = std::remove_if(far.begin(), far.end(), [this](const Far &f) {
            return std::none_of(item.at + f.begin, item.at + f.end, [this](const Item<Cost> &x) { return useful(x); });
        });
        Far *middle = std::min(far.begin() + TURNS, end), *rest = std::min(middle + TURNS, end);
        std::partial_sort(far.begin(), middle, end, [](const Far &a, const Far &b) {
            return a.up != b.up ? a.up > b.up : a.begin < b.begin;
        });
        std::partial_sort(middle, rest, end, [](const Far &a, const Far &b) {
            return a.down != b.down ? a.down < b.down : a.begin < b.begin;
        });
        for (i64 k = 0; k < TURNS; ++k) {
            if (far.begin() + k < middle) lay_out(far[k]);
            if (middle + k < rest) lay_out(middle[k]);
        }
        far.size = std::move(rest, end, far.begin()) - far.begin();
        rebuild();
        if (!root.x.size && classes.size) {
            std::swap(root, outside);
            outside = Envelope<Cost>(memory);
            rebuild();
            renew();
        } else {
            prune();
        }
    }
    void lay_out(const Far &f) {
        const i64 begin = near.size;
        near.push({0, 0, -1});
        for (i64 k = f.begin; k < f.end; ++k)
            if (useful(item[k])) near.push(item[k]);
        std::sort(near.at + begin, near.end(), [](const Item<Cost> &a, const Item<Cost> &b) {
            return a.dw != b.dw ? a.dw < b.dw : a.dc < b.dc;
        });
        i64 size = begin, base = begin;
        for (i64 k = begin; k < near.size; ++k) {
            if (size > begin && near[k].dc >= near[size - 1].dc && near[k].item >= 0) continue;
            if (near[k].item < 0) base = size;
            near[size++] = near[k];
        }
        near.size = size - begin > 1 ? size : begin;
        if (near.size > begin) classes.push({begin, base, size});
    }
    // Write the incumbent to the choice of the reduction.
    void finish() {
        if (!best_node) return;
        memcpy(red.chosen.at, red.r.base.at, static_cast<size_t>(red.p.classes) * sizeof(i64));
        for (i64 a = best_node; a; a = nodes.node[a].parent) {
            const i64 *begin = red.p.begin;
            red.chosen[std::upper_bound(begin, begin + red.p.classes, nodes.node[a].item) - begin - 1] = nodes.node[a].item;
        }
    }
};
