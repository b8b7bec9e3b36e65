/* SPDX-License-Identifier: BSD-3-Clause */
#include "molecule/elements.h"

#include <ctype.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

/* IUPAC 2013 abridged standard atomic weights. */
static const struct {
    char symbol[4];
    double mass_u;
} elements[] = {
    {"?", 0},       {"H", 1.008},   {"He", 4.0026}, {"Li", 6.94},   {"Be", 9.0122}, {"B", 10.81},
    {"C", 12.011},  {"N", 14.007},  {"O", 15.999},  {"F", 18.998},  {"Ne", 20.180}, {"Na", 22.990},
    {"Mg", 24.305}, {"Al", 26.982}, {"Si", 28.085}, {"P", 30.974},  {"S", 32.06},   {"Cl", 35.45},
    {"Ar", 39.948}, {"K", 39.098},  {"Ca", 40.078}, {"Sc", 44.956}, {"Ti", 47.867}, {"V", 50.942},
    {"Cr", 51.996}, {"Mn", 54.938}, {"Fe", 55.845}, {"Co", 58.933}, {"Ni", 58.693}, {"Cu", 63.546},
    {"Zn", 65.38},  {"Ga", 69.723}, {"Ge", 72.630}, {"As", 74.922}, {"Se", 78.971}, {"Br", 79.904},
    {"Kr", 83.798}, {"Rb", 85.468}, {"Sr", 87.62},  {"Y", 88.906},  {"Zr", 91.224}, {"Nb", 92.906},
    {"Mo", 95.95},  {"Tc", 98},     {"Ru", 101.07}, {"Rh", 102.91}, {"Pd", 106.42}, {"Ag", 107.87},
    {"Cd", 112.41}, {"In", 114.82}, {"Sn", 118.71}, {"Sb", 121.76}, {"Te", 127.60}, {"I", 126.90},
    {"Xe", 131.29}, {"Cs", 132.91}, {"Ba", 137.33}, {"La", 138.91}, {"Ce", 140.12}, {"Pr", 140.91},
    {"Nd", 144.24}, {"Pm", 145},    {"Sm", 150.36}, {"Eu", 151.96}, {"Gd", 157.25}, {"Tb", 158.93},
    {"Dy", 162.50}, {"Ho", 164.93}, {"Er", 167.26}, {"Tm", 168.93}, {"Yb", 173.05}, {"Lu", 174.97},
    {"Hf", 178.49}, {"Ta", 180.95}, {"W", 183.84},  {"Re", 186.21}, {"Os", 190.23}, {"Ir", 192.22},
    {"Pt", 195.08}, {"Au", 196.97}, {"Hg", 200.59}, {"Tl", 204.38}, {"Pb", 207.2},  {"Bi", 208.98},
    {"Po", 209},    {"At", 210},    {"Rn", 222},    {"Fr", 223},    {"Ra", 226},    {"Ac", 227},
    {"Th", 232.04}, {"Pa", 231.04}, {"U", 238.03},  {"Np", 237},    {"Pu", 244},    {"Am", 243},
};

#define N_ELEMENTS ((int)(sizeof elements / sizeof elements[0]))

const char *cox_element_symbol(int number)
{
    return number > 0 && number < N_ELEMENTS ? elements[number].symbol : elements[0].symbol;
}

double cox_element_mass(int number)
{
    return number > 0 && number < N_ELEMENTS ? elements[number].mass_u : 0;
}

int cox_element_of_symbol(const char *symbol)
{
    while (*symbol == ' ')
        symbol++;
    size_t n = strcspn(symbol, " ");
    if (n < 1 || n > 2)
        return 0;
    char first = (char)toupper((unsigned char)symbol[0]);
    char second = n == 2 ? (char)tolower((unsigned char)symbol[1]) : '\0';
    for (int i = 1; i < N_ELEMENTS; i++)
        if (elements[i].symbol[0] == first && elements[i].symbol[1] == second)
            return i;
    return 0;
}

/* Biomolecules name an atom by its element's letter and its place, so "CA" is carbon alpha; only
 * the ions have names of two letters, and those have residues of their own. */
int cox_element_of_name(const char *atom_name)
{
    while (*atom_name == ' ' || isdigit((unsigned char)*atom_name))
        atom_name++;
    const char letter[2] = {*atom_name, '\0'};
    return letter[0] && strchr("HCNOSPF", letter[0]) ? cox_element_of_symbol(letter) : 0;
}

int cox_element_of_mass(double mass_u)
{
    int nearest = 0;
    double least = 0.06;
    for (int i = 1; i < N_ELEMENTS; i++) {
        double distance = fabs(elements[i].mass_u - mass_u);
        if (distance < least) {
            least = distance;
            nearest = i;
        }
    }
    return nearest;
}
