/* SPDX-License-Identifier: BSD-3-Clause */
#include "dp_train/gradient_rows.h"

static double length2(const double a[3])
{
    return a[0] * a[0] + a[1] * a[1] + a[2] * a[2];
}

int cox_dp_nearest(int *order, int most, int n, const double (*dr)[3], double rcut, int *within)
{
    int kept = 0;
    *within = 0;
    if (n <= most) { /* all that are not too far */
        for (int i = 0; i < n; i++) {
            order[kept] = i;
            kept += length2(dr[i]) <= rcut * rcut;
        }
        *within = kept;
        return kept;
    }
    for (int i = 0; i < n; i++) { /* insertion into the sorted list of the nearest so far */
        double r2 = length2(dr[i]);
        if (r2 > rcut * rcut)
            continue;
        ++*within;
        int k = kept < most ? kept++ : most;
        for (; k > 0 && length2(dr[order[k - 1]]) > r2; k--)
            if (k < most)
                order[k] = order[k - 1];
        if (k < most)
            order[k] = i;
    }
    return kept;
}

struct cox_dp_residual cox_dp_residuals(const struct cox_dp_frame *frame, double energy,
                                        const double (*force)[3], const double (*virial)[3],
                                        const struct cox_dp_prefactors *prefactors, double share,
                                        struct cox_dp_losses *losses, int labelled[3],
                                        double (*direction)[3])
{
    const double n = frame->atoms.n;
    struct cox_dp_residual out = {0};
    if (frame->energy) {
        double off = energy - *frame->energy;
        losses->energy2 += off * off / (n * n);
        losses->loss += share * prefactors->energy * off * off / n;
        out.p = share * 2 * prefactors->energy * off / n;
        labelled[0]++;
    }
    for (int i = 0; i < frame->atoms.n; i++)
        for (int k = 0; k < 3; k++) {
            double off = frame->force ? force[i][k] - frame->force[i][k] : 0;
            losses->force2 += off * off / (3 * n);
            losses->loss += share * prefactors->force * off * off / (3 * n);
            direction[i][k] = -share * 2 * prefactors->force * off / (3 * n);
        }
    labelled[1] += frame->force != NULL;
    for (int k = 0; frame->virial && k < 9; k++) {
        double off = virial[k / 3][k % 3] - frame->virial[k / 3][k % 3];
        losses->virial2 += off * off / (9 * n * n);
        losses->loss += share * prefactors->virial * off * off / (9 * n);
        out.strain[k] = -share * 2 * prefactors->virial * off / (9 * n);
    }
    labelled[2] += frame->virial != NULL;
    return out;
}

void cox_dp_losses_finish(struct cox_dp_losses *losses, const int labelled[3])
{
    losses->energy2 /= labelled[0] ? labelled[0] : 1;
    losses->force2 /= labelled[1] ? labelled[1] : 1;
    losses->virial2 /= labelled[2] ? labelled[2] : 1;
}
