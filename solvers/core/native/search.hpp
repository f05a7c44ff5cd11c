// Dynamic programming by reaching: classes enter the core, states are merged and pruned.
//
// Invariants: costs are integers; weights and costs are counted from the break solution; states
// strictly increase in weight and decrease in cost; a state that is gone leads to no choice cheaper
// than the incumbent. When no state is left the incumbent is optimal.
#pragma once
#include "lattice.hpp"
#include "states.hpp"
#include <time.h>

inline double clock_seconds() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Limits {
    double end; // on the clock
    i64 states;
    const volatile i32 *stop; // not 0: stop now
};

template <class Cost> struct Search {
    struct Far { // a class whose turn has not come: its place in what is left
        i64 k;
        double up, down; // the most saved per weight added, the least lost per weight given back
    };
    struct Class {
        i64 begin, base, end; // in `item`
    };
    static constexpr Cost NEVER = 2 * BEYOND<Cost>;
    static constexpr i64 MASK = (i64(1) << 40) - 1;

    Reduction &red;
    const int unit;
    const Cost step; // costs are multiples of it, and it stands for 2**unit
    i64 room, turns = 20;
    Lattice lattice;
    Array<Far> far;
    Array<Item<Cost>> item;
    Array<Class> classes;
    i64 next = 0; // the first that has not entered
    Envelope<Cost> outside;
    States<Cost> list[3];
    States<Cost> *states = &list[0];
    Moves moves;
    Cost best;         // cost of the incumbent
    i32 best_move = 0; // 0: the choice of the reduction
    i64 core = 0, total = 0, peak = 0;
    Cost lowest = 0, up = 0, down = 0, limit = 0; // what an item must pass

    Search(Reduction &reduction, const i64 *given, int unit_, Cost step_, Memory &m)
        : red(reduction), unit(unit_), step(step_), room(red.r.room), far(m), item(m), classes(m), outside(m),
          list{States<Cost>(m), States<Cost>(m), States<Cost>(m)}, moves(m) {
        survey();
        room = room / lattice.g * lattice.g;
        best = exact(red.chosen.at);
        const Cost other = given ? exact(given) : NEVER;
        if (other <= best) best = other, red.chosen.copy(given);
        states->reserve(1);
        states->w[0] = 0, states->v[0] = 0, states->node[0] = 0, states->size = 1;
        refill();
    }
    // Let classes enter until no state is left, or until a limit: then return false.
    bool run(const Limits &limits) {
        const double began = clock_seconds();
        i64 work = 0, doubled = 8;
        while (states->size) {
            if (next == classes.size) {
                refill(), work = 0;
                continue;
            }
            if (*limits.stop || total >= limits.states) return false;
            // As long as those before, so the next class ends in time.
            const double now = clock_seconds(), to_make = static_cast<double>(states->size * size(classes[next]));
            const double share = total < 1000000 ? 0.0 : to_make / static_cast<double>(total);
            if (now + (now - began) * share >= limits.end) return false;
            const Cost before = best;
            work += enter(classes[next++]);
            if (states->size >= doubled) doubled = 2 * states->size, complete();
            const i64 waiting = next < classes.size ? item.size - classes[next].begin : 0;
            if (work > (best < before ? waiting : 512 + 2 * waiting)) renew(), work = 0;
            if (moves.node.size > moves.many) moves.sweep(*states, best_move);
        }
        return true;
    }
    // The lowest bound of a state.
    Cost open() {
        sieve();
        return lowest;
    }
    // Write the incumbent to the choice of the reduction.
    void finish() {
        if (!best_move) return;
        red.chosen.copy(red.r.base.at);
        for (i64 a = best_move; a; a = moves.node[a].parent)
            red.chosen[last(red.p.begin, red.p.classes, i64(moves.node[a].item))] = moves.node[a].item;
    }

  private:
    static i64 size(const Class &c) { return c.end - c.begin; }

    // What an item costs more than another, in units.
    Cost above(i64 j, i64 base) const {
        return integer<Cost>(red.p.cost[j], unit) - integer<Cost>(red.p.cost[base], unit);
    }
    Cost exact(const i64 *choice) const {
        Cost sum = 0;
        for (i64 i = 0; i < red.p.classes; ++i)
            if (choice[i] != red.r.base[i]) sum += above(choice[i], red.r.base[i]) * step;
        return sum;
    }
    // Find the slopes of all classes, and the lattice of their items.
    void survey() {
        bool more = true;
        for (i64 k = 0; k < red.cls.size; ++k) {
            const i64 base = red.r.base[red.cls[k]];
            Far f{k, 0.0, HUGE_VAL};
            for (i64 x = red.first[k]; x < red.first[k + 1]; ++x) {
                const Item<double> &i = red.item[x];
                const double slope = -i.dc / static_cast<double>(i.dw);
                if (i.dw > 0) f.up = max(f.up, slope);
                if (i.dw < 0) f.down = min(f.down, slope);
                more = more && lattice.add(i.dw, above(i.item, base));
            }
            far.push(f);
        }
        lattice.finish();
    }
    // Lay out the classes whose turn is next: by turns those of the largest slope up and of the smallest slope down.
    void refill() {
        const i64 all = far.size, first = min(turns, all), second = min(2 * turns, all);
        turns *= 2;
        item.size = classes.size = next = 0;
        sieve();
        sort(far.at, all, first, [](const Far &a, const Far &b) { return a.up != b.up ? a.up > b.up : a.k < b.k; });
        sort(far.at + first, all - first, second - first,
             [](const Far &a, const Far &b) { return a.down != b.down ? a.down < b.down : a.k < b.k; });
        for (i64 t = 0; t < first; ++t) {
            lay_out(far[t].k);
            if (first + t < second) lay_out(far[first + t].k);
        }
        far.size = 0;
        for (i64 t = second; t < all; ++t)
            if (!core || may_move(far[t].k)) far.push(far[t]);
        rebuild();
        prune();
    }
    Item<Cost> exact_item(i64 x, i64 base) const {
        const Item<double> &i = red.item[x];
        return {above(i.item, base) * step, i.dw, i.item};
    }
    bool may_move(i64 k) const {
        for (i64 x = red.first[k]; x < red.first[k + 1]; ++x)
            if (useful(exact_item(x, red.r.base[red.cls[k]]))) return true;
        return false;
    }
    void lay_out(i64 k) {
        Class c{item.size, item.size, 0};
        item.push({0, 0, -1});
        for (i64 x = red.first[k]; x < red.first[k + 1]; ++x) {
            const Item<Cost> i = exact_item(x, red.r.base[red.cls[k]]);
            if (!core || useful(i)) item.push(i);
        }
        undominated(item, c.begin);
        if (item.size == c.begin + 1) {
            item.size = c.begin;
            return;
        }
        for (c.end = item.size; item[c.base].item >= 0;) ++c.base;
        classes.push(c);
    }
    // Combine every state with every item of a class; return the number of candidates made.
    i64 enter(Class c) {
        const i64 made = states->size * size(c);
        States<Cost> *from = states, *out = &list[(states - list + 1) % 3], *spare = &list[(states - list + 2) % 3];
        out->reserve(made), spare->reserve(made);
        out->size = 0;
        for (i64 k = c.begin; k < c.end; ++k) {
            const Item<Cost> &x = item[k];
            merge<Cost>({out, 0, 0, 0}, {from, x.dc, x.dw, (k - c.begin) << 40}, *spare);
            States<Cost> *swap = out;
            out = spare, spare = swap;
        }
        states = out;
        total += made, core += 1, peak = max(peak, states->size);
        const i64 fits = last(states->w.at, states->size, room);
        if (fits >= 0 && states->v[fits] < best) {
            best = states->v[fits];
            best_move = moves.add(states->node[fits] & MASK, item[c.begin + (states->node[fits] >> 40)].item);
        }
        prune();
        for (i64 s = 0; s < states->size; ++s) {
            const i64 k = c.begin + (states->node[s] >> 40), parent = states->node[s] & MASK;
            states->node[s] = k == c.base ? parent : moves.add(parent, item[k].item);
        }
        return made;
    }
    Cost threshold(Cost slope) const { return lattice.threshold<Cost>(best - step, room, slope, step); }

    // Keep the states that may lead to a choice cheaper than the incumbent.
    void prune() {
        const i64 n = next < classes.size || far.size ? states->size : 0;
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
        i64 found = -1, with = 0;
        for (i64 k = next < classes.size ? classes[next].begin : item.size; k < item.size; ++k) {
            const i64 s = last(states->w.at, states->size, room - item[k].dw);
            if (s < 0 || states->v[s] + item[k].dc >= best) continue;
            best = states->v[s] + item[k].dc, found = k, with = s;
        }
        if (found >= 0) best_move = moves.add(states->node[with], item[found].item);
    }
    // What an item outside must pass to be of use to a state.
    void sieve() {
        lowest = NEVER, limit = threshold(0);
        for (i64 s = 0, k = outside.x.size - 1; s < states->size; ++s) {
            const i64 free = room - states->w[s];
            while (k >= 0 && outside.x[k] > free) --k;
            if (k >= 0) lowest = min(lowest, states->v[s] - outside.in(k, free));
        }
        up = outside.slope(room - states->w[0]), down = outside.slope(room - states->w[states->size - 1]);
    }
    bool useful(const Item<Cost> &x) const { return lowest + x.dc + times<Cost>(x.dw > 0 ? up : down, x.dw) <= limit; }

    // Drop items that no state can use, then bound and prune without them.
    void renew() {
        if (!states->size) return;
        sieve();
        i64 size = 0, kept = 0;
        for (; next < classes.size; ++next) {
            const Class c = classes[next];
            Class to = c;
            to.begin = size;
            for (i64 k = c.begin; k < c.end; ++k) {
                if (k == c.base) to.base = size;
                if (k == c.base || useful(item[k])) item[size++] = item[k];
            }
            to.end = size;
            if (to.end - to.begin > 1) classes[kept++] = to;
            else size = to.begin;
        }
        item.size = size, classes.size = kept, next = 0;
        rebuild();
        prune();
    }
    // F of the classes that have not entered.
    void rebuild() {
        double steepest = 0.0, flattest = HUGE_VAL;
        outside.clear();
        for (i64 t = next; t < classes.size; ++t)
            outside.add(item.at, classes[t].begin, classes[t].base, classes[t].end);
        for (i64 t = 0; t < far.size; ++t) steepest = max(steepest, far[t].up), flattest = min(flattest, far[t].down);
        if (steepest > 0.0) outside.tail(whole(steepest, true), red.reach, true);
        if (flattest < HUGE_VAL) outside.tail(whole(flattest, false), red.reach, false);
        outside.finish();
    }
    // A slope in steps, rounded up or down.
    Cost whole(double slope, bool upward) const {
        const double safe = upward ? slope * (1.0 + SLACK) + TINY : max(0.0, slope * (1.0 - SLACK) - TINY);
        return static_cast<Cost>(ldexp(safe, -unit) * static_cast<double>(step)) + (upward ? 1 : 0);
    }
};
