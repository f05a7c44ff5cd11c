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
    return real(now.tv_sec) + 1e-9 * real(now.tv_nsec);
}

struct Limits {
    double end; // on the clock
    i64 states;
    const volatile i32 *stop; // not 0: stop now
};

template <class Cost> struct Search {
    struct Class {
        i64 begin, end;       // in `item`
        i64 wider, narrower;  // the most weight added, and that given back, negative
        Cost up, down, saved; // the most saved per weight added, the least lost per weight given back, the most saved
        Cost ups, downs;      // up and down of this and all later classes
    };
    static constexpr Cost NEVER = 2 * BEYOND<Cost>;
    static constexpr i64 MASK = (i64(1) << 40) - 1;

    Reduction &red;
    const double scale; // costs times this are integers, of which each stands for a step
    const Cost step;
    i64 room;
    Lattice lattice;
    Array<Item<Cost>> item;
    Array<Class> classes; // in the order in which they enter
    i64 next = 0, near = 0; // the first that has not entered, and the first not looked at closely
    i64 waiting = 0;        // items between these
    i64 width = 20;
    Envelope<Cost> outside;
    States<Cost> list[3];
    States<Cost> *states = &list[0];
    Moves moves;
    Cost best;         // cost of the incumbent
    i32 best_move = 0; // 0: the choice of the reduction
    i64 core = 0, total = 0, peak = 0;
    Cost lowest = 0, up = 0, down = 0, limit = 0; // what an item must pass

    Search(Reduction &reduction, const i64 *given, int unit, Cost step_)
        : red(reduction), scale(ldexp(1.0, -unit)), step(step_), room(red.r.room) {
        lay_out();
        room = room / lattice.g * lattice.g;
        best = exact(red.chosen.at);
        const Cost other = given ? exact(given) : NEVER;
        if (other <= best) best = other, red.chosen.copy(given);
        states->reserve(1);
        states->w[0] = 0, states->v[0] = 0, states->node[0] = 0, states->size = 1;
        widen(), bound();
    }
    // Let classes enter until no state is left, or until a limit: then return false.
    bool run(const Limits &limits) {
        const double began = clock_seconds();
        i64 work = 0, doubled = 8;
        while (states->size) {
            if (next == near) {
                renew(), work = 0;
                continue;
            }
            if (*limits.stop || total >= limits.states) return false;
            // As long as those before, so the next class ends in time.
            const double now = clock_seconds(), to_make = real(states->size * candidates(classes[next]));
            const double share = total < 1000000 ? 0.0 : to_make / real(total);
            if (now + (now - began) * share >= limits.end) return false;
            const Cost before = best;
            work += enter(classes[next++]);
            if (states->size >= doubled) doubled = 2 * states->size, complete();
            if (work > (best < before ? waiting : 512 + 2 * waiting)) renew(), work = 0;
            if (moves.node.size > moves.many) moves.sweep(*states, best_move);
        }
        return true;
    }
    // Write the incumbent to the choice of the reduction.
    void finish() {
        if (!best_move) return;
        red.chosen.copy(red.r.base.at);
        for (i64 a = best_move; a; a = moves.node[a].parent)
            red.chosen[last(red.p.begin, red.p.classes, i64(moves.node[a].item))] = moves.node[a].item;
    }

  private:
    static i64 candidates(const Class &c) { return c.end - c.begin + 1; }

    // What an item costs more than another, in units.
    Cost above(i64 j, i64 base) const {
        return static_cast<Cost>(red.p.cost[j] * scale) - static_cast<Cost>(red.p.cost[base] * scale);
    }
    Cost exact(const i64 *choice) const {
        Cost sum = 0;
        for (i64 i = 0; i < red.p.classes; ++i)
            if (choice[i] != red.r.base[i]) sum += above(choice[i], red.r.base[i]) * step;
        return sum;
    }
    // Make the costs integers, and find the lattice and the order of the classes: by turns that of the
    // largest slope up and that of the smallest slope down.
    void lay_out() {
        struct Turn {
            Cost slope;
            i64 cls;
        };
        const i64 count = red.cls.size;
        Array<Turn> turns[2];
        Array<Class> laid(count);
        item.reserve(red.item.size);
        for (i64 k = 0; k < count; ++k) {
            Class &c = laid[k];
            c.begin = red.first[k], c.end = red.first[k + 1];
            for (i64 x = c.begin; x < c.end; ++x) {
                const Item<double> &i = red.item[x];
                const Cost dc = above(i.item, red.r.base[red.cls[k]]);
                lattice.add(i.dw, dc);
                item.push({dc * step, i.dw, i.item});
            }
            measure(c);
            turns[0].push({-c.up, k}), turns[1].push({c.down, k});
        }
        lattice.finish();
        for (Array<Turn> &turn : turns)
            sort(turn.at, count, [](const Turn &a, const Turn &b) { return a.slope != b.slope ? a.slope < b.slope : a.cls < b.cls; });
        for (i64 t = 0; t < count; ++t)
            for (const Array<Turn> &turn : turns) {
                Class &c = laid[turn[t].cls];
                if (c.begin < c.end) classes.push(c), c.end = c.begin;
            }
        Cost ups = 0, downs = NEVER;
        for (i64 t = count - 1; t >= 0; --t) {
            Class &c = classes[t];
            c.ups = ups = max(ups, c.up), c.downs = downs = min(downs, c.down);
        }
    }
    // The widths and the extreme slopes of a class, rounded outward.
    void measure(Class &c) const {
        c.wider = c.narrower = 0, c.up = c.saved = 0, c.down = NEVER;
        for (i64 x = c.begin; x < c.end; ++x) {
            const Item<Cost> &i = item[x];
            c.wider = max(c.wider, i.dw), c.narrower = min(c.narrower, i.dw), c.saved = max(c.saved, -i.dc);
            if (i.dw > 0 && times(c.up, i.dw) < -i.dc) c.up = (-i.dc - 1) / i.dw + 1;
            if (i.dw < 0 && times(c.down, -i.dw) > i.dc) c.down = i.dc / -i.dw;
        }
    }
    // Combine every state with every item of a class; return the number of candidates made.
    i64 enter(Class c) {
        const i64 made = states->size * candidates(c);
        States<Cost> *from = states, *out = &list[(states - list + 1) % 3], *spare = &list[(states - list + 2) % 3];
        out->reserve(made), spare->reserve(made);
        for (i64 k = c.begin; k < c.end; ++k, swap(out, spare)) {
            merge<Cost>({states, 0, 0, 0}, {from, item[k].dc, item[k].dw, (k + 1 - c.begin) << 40}, *out);
            states = out;
        }
        total += made, core += 1, peak = max(peak, states->size);
        const auto move = [&](i64 s) {
            const i64 k = states->node[s] >> 40, parent = states->node[s] & MASK;
            return k ? moves.add(parent, item[c.begin + k - 1].item) : static_cast<i32>(parent);
        };
        const i64 fits = last(states->w.at, states->size, room);
        if (fits >= 0 && states->v[fits] < best) best = states->v[fits], best_move = move(fits);
        prune();
        for (i64 s = 0; s < states->size; ++s) states->node[s] = move(s);
        return made;
    }
    Cost threshold(Cost slope) const { return lattice.threshold<Cost>(best - step, room, slope, step); }

    // Keep the states that may lead to a choice cheaper than the incumbent.
    void prune() {
        const i64 n = next < classes.size ? states->size : 0;
        const Cost most = n ? threshold(outside.slope(room - states->w[0])) : 0;
        i64 left = 0;
        for (i64 s = 0, k = outside.piece.size - 1; s < n && outside.holds(room - states->w[s], k); ++s) {
            const bool stays = states->v[s] - outside.in(k, room - states->w[s]) <= most;
            states->w[left] = states->w[s], states->v[left] = states->v[s], states->node[left] = states->node[s];
            left += stays;
        }
        states->size = left;
    }
    // Add every single item near the break to the cheapest state that leaves it room.
    void complete() {
        i64 found = -1, with = 0;
        for (i64 c = next; c < near; ++c)
            for (i64 k = classes[c].begin; k < classes[c].end; ++k) {
                const i64 s = last(states->w.at, states->size, room - item[k].dw);
                if (s < 0 || states->v[s] + item[k].dc >= best) continue;
                best = states->v[s] + item[k].dc, found = k, with = s;
            }
        if (found >= 0) best_move = moves.add(states->node[with], item[found].item);
    }
    // What an item outside must pass to be of use to a state.
    void sieve() {
        lowest = NEVER, limit = threshold(0);
        for (i64 s = 0, k = outside.piece.size - 1; s < states->size && outside.holds(room - states->w[s], k); ++s)
            lowest = min(lowest, states->v[s] - outside.in(k, room - states->w[s]));
        up = outside.slope(room - states->w[0]), down = outside.slope(room - states->w[states->size - 1]);
    }
    bool useful(const Item<Cost> &x) const { return lowest + x.dc + times<Cost>(x.dw > 0 ? up : down, x.dw) <= limit; }

    // Look closely at twice as many classes as before.
    void widen() { near = min(classes.size, next + (width *= 2)); }

    // Drop items that no state can use, then bound and prune without them.
    void renew() {
        if (!states->size) return;
        sieve();
        if (next == near) widen();
        i64 first = near;
        for (i64 t = near - 1; t >= next; --t) {
            Class c = classes[t];
            i64 end = c.begin;
            for (i64 k = c.begin; k < c.end; ++k)
                if (useful(item[k])) item[end++] = item[k];
            if (end == c.begin) continue;
            if (end < c.end) c.end = end, measure(c);
            classes[--first] = c;
        }
        next = first;
        bound();
    }
    // F of the classes that have not entered, and the states that it leaves.
    void bound() {
        outside.clear(), waiting = 0;
        for (i64 t = next; t < near; ++t) {
            const Class &c = classes[t];
            waiting += c.end - c.begin;
            if (c.wider) outside.add(c.up, min<Cost>(c.wider, (c.saved - 1) / c.up + 1));
            if (c.narrower) outside.add(c.down, c.narrower);
        }
        if (near < classes.size) {
            const Class &far = classes[near];
            outside.add(far.ups, outside.most(far.ups, red.reach)), outside.add(far.downs, -outside.most(far.downs, red.reach));
        }
        outside.finish();
        prune();
    }
};
