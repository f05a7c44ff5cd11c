// Congruences between weight and cost, and what they add to a bound.
//
// The differences (dw, dc) of all items lie in a lattice with a basis (g, h), (0, G): every choice
// has a weight W that g divides, and a cost V = h W / g (mod G). One that leaves s free and is
// cheaper than the incumbent costs at most the largest number V(s) below it in the residue class of
// s; a state with the bound b is of use only if b + slope s <= V(s) for some s. On strongly
// correlated instances (-c = w + 10 j) bounds are thereby rounded to multiples of 10.
#pragma once
#include "envelope.hpp"

struct Lattice {
    i64 g = 0, h = 0, G = 0;

    // Add an item.
    template <class Cost> void add(i64 w, Cost v) {
        if (!fine || (g == 1 && G == 1)) return;
        fine = (v < 0 ? -v : v) < i64(1) << 60 && insert(w, static_cast<i64>(v));
    }
    // The lattice of the items; (1, 0), (0, 1) if not small.
    void finish() {
        if (fine && !G) G = h < 0 ? -h : h, h = 0;
        if (!fine || !g || !small()) g = 1, h = 0, G = 1;
        h = (h % G + G) % G;
    }
    // The most a state may cost, with nothing left free, that leads to a choice of at most `top`.
    template <class Cost> Cost threshold(Cost top, i64 room, Cost slope, Cost step) const {
        if (G == 1) return top;
        Cost best = -4 * BEYOND<Cost>;
        const i64 most = static_cast<i64>(top / step);
        for (i64 k = 0; k < 64; ++k) {
            const Cost free = times<Cost>(slope, k * g);
            if (top - free <= best) return best;
            const i64 residue = h * (((room / g - k) % G + G) % G) % G;
            const i64 value = most - ((most - residue) % G + G) % G;
            best = max(best, times<Cost>(step, value) - free);
        }
        return max(best, top - times<Cost>(slope, 64 * g));
    }

  private:
    bool fine = true;

    bool small() const { return G > 1 && G < i64(1) << 31; }
    // Add a vector; false where that overflows.
    bool insert(i64 w, i64 v) {
        while (w) {
            const i64 q = g / w;
            if (fabs(real(h)) + fabs(real(q) * real(v)) >= 0x1p61) return false;
            const i64 rest = g - q * w, cost = h - q * v;
            g = w, h = v, w = rest, v = cost;
        }
        for (v = v < 0 ? -v : v; v;) {
            const i64 rest = G % v;
            G = v, v = rest;
        }
        if (g < 0) g = -g, h = -h;
        if (G) h %= G;
        return true;
    }
};
