/* SPDX-License-Identifier: BSD-3-Clause */
/* The Deep Potential as a model driver of the KIM API: what LAMMPS's `pair_style kim` and other
 * simulators call. One instance per model that a simulator has open, used from one thread. */
#ifndef COX_KIM_DRIVER_H
#define COX_KIM_DRIVER_H

#include <KIM_FunctionTypes.h>

/* Reads the model beside its object (kim/model.c) and tells KIM of it. Any units. */
KIM_ModelDriverCreateFunction cox_kim_driver_create;

#endif
