/* SPDX-License-Identifier: BSD-3-Clause */
/* What `cox potential kim-install` asks KIM. It loads the driver's object for that, so that cox
 * itself needs no KIM; the types of these functions are all that the two share. */
#ifndef COX_KIM_COLLECTIONS_H
#define COX_KIM_COLLECTIONS_H

#include <stddef.h>

/* The driver's name in KIM's collections. */
#define COX_KIM_DRIVER "coxswain_deep_potential"
#define COX_KIM_SYMBOL_FOLDERS "cox_kim_user_folders"
#define COX_KIM_SYMBOL_SPECIES "cox_kim_species_known"

/* Where the user's drivers and models lie, each at most `size` with its end; not 0: no such
 * folders. */
typedef int cox_kim_folders_function(char *drivers, char *models, size_t size);
/* Not 0: KIM has a species of that name. */
typedef int cox_kim_species_function(const char *name);

__attribute__((visibility("default"))) cox_kim_folders_function cox_kim_user_folders;
__attribute__((visibility("default"))) cox_kim_species_function cox_kim_species_known;

#endif
