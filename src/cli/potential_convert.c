/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "base/str.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cli/potential.h"
#include "potential/dp_file.h"

int cox_potential_convert(int argc, char **argv)
{
    const char *output = NULL;
    const struct cox_option options[] = {
        {"output", 'o', COX_OPT_TEXT, &output, "FILE.dp", "where to write it", 0, 0},
    };
    const struct cox_usage usage = {
        .synopsis = "cox potential convert MODEL -o FILE.dp",
        .description =
            "Writes a model as .dp, the format that DeePMD-kit v3 and cox open. MODEL is a graph\n"
            "frozen by TensorFlow (.pb, .pbtxt), .yaml or .dp, whatever its name: its content\n"
            "tells. Models of PyTorch (.pth, .pt2) are converted by DeePMD-kit:\n"
            "'dp convert-backend frozen.pth model.dp'.\n\n"
            "  cox potential convert frozen_model.pb -o water.dp\n\n"
            "The output appears when it is whole, or not at all; an older file of its name is\n"
            "replaced.",
        .options = options,
        .n_options = (int)(sizeof options / sizeof options[0]),
        .min_operands = 1,
        .max_operands = 1,
    };
    int operands = 0;
    int code = cox_options_parse(&usage, argc, argv, &operands);
    if (code >= 0)
        return code;
    if (output && !cox_str_ends(output, ".dp")) { /* DeePMD-kit goes by it */
        fprintf(stderr, "cox: '%s' must end in .dp: no other format is written\n", output);
        return COX_EXIT_USAGE;
    }
    if (!output) {
        fprintf(stderr, "cox: say where to write: -o FILE.dp\nusage: %s\n", usage.synopsis);
        return COX_EXIT_USAGE;
    }
    struct cox_err err = COX_ERR_INIT;
    struct cox_dp_model *model = NULL;
    int rc = cox_dp_model_read(&model, argv[1], &err);
    if (!rc)
        rc = cox_dp_model_write(model, output, &err);
    cox_dp_model_destroy(model);
    if (rc)
        fprintf(stderr, "cox: %s\n", err.text);
    return rc ? COX_EXIT_FAILED : COX_EXIT_OK;
}
