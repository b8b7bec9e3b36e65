/* SPDX-License-Identifier: BSD-3-Clause */
/* Chemical elements: symbols, masses, and how names and masses tell them. */
#ifndef COX_MOLECULE_ELEMENTS_H
#define COX_MOLECULE_ELEMENTS_H

/* "C" for 6; "?" for 0 or what is not in the table (1 to 95). */
const char *cox_element_symbol(int number);
/* Atomic number of a symbol in any case, with blanks around it; 0 unknown. */
int cox_element_of_symbol(const char *symbol);
/* From the name of an atom of a biomolecule ("CA" is carbon, "1HB" hydrogen); 0 unknown. */
int cox_element_of_name(const char *atom_name);
/* Nearest standard atomic mass within 0.06 u (repartitioned masses are not found); 0 unknown. */
int cox_element_of_mass(double mass_u);
/* Standard atomic mass, u; 0 unknown. */
double cox_element_mass(int number);

#endif
