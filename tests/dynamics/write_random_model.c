/* SPDX-License-Identifier: BSD-3-Clause */
/* write_random_model FILE.dp: a small potential of O and H with random weights. */
#include "potential/dp_file.h"
#include "potential/test_models.h"

int main(int argc, char **argv)
{
    struct cox_err err = COX_ERR_INIT;
    struct cox_dp_model *m = argc == 2 ? test_model(true, 0) : NULL;
    int rc = m ? cox_dp_model_write(m, argv[1], &err) : 1;
    if (rc)
        fprintf(stderr, "%s\n", err.text);
    cox_dp_model_destroy(m);
    return rc != 0;
}
