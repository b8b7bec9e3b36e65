/* SPDX-License-Identifier: BSD-3-Clause */
#include "openmm_shim.h"

#include <OpenMM.h>

#include <exception>
#include <memory>
#include <string>
#include <vector>

using OpenMM::Vec3;

namespace
{

enum Group { BOND, ANGLE, TORSION, LJ, COULOMB, LJ14, COULOMB14, GB, SURFACE, GROUPS, ALL = -1 };

void load_cpu_platform()
{
    static bool loaded = false;
    if (!loaded) /* only this one: the OpenCL plugin takes seconds to find that there is no GPU */
        OpenMM::Platform::loadPluginLibrary(OpenMM::Platform::getDefaultPluginsDirectory() +
                                            "/libOpenMMCPU.so");
    loaded = true;
}

void add_bonded(OpenMM::System &out, const cox_system *s, const std::vector<char> &constrained)
{
    auto *bond = new OpenMM::HarmonicBondForce;
    auto *angle = new OpenMM::HarmonicAngleForce;
    auto *torsion = new OpenMM::PeriodicTorsionForce;
    for (int i = 0; i < s->n_bonds; i++) {
        const cox_bond &b = s->bonds[i];
        if (constrained[i])
            out.addConstraint(b.atom[0], b.atom[1], b.r0_nm);
        else
            bond->addBond(b.atom[0], b.atom[1], b.r0_nm, b.k);
    }
    for (int i = 0; i < s->n_angles; i++) {
        const cox_angle &a = s->angles[i];
        angle->addAngle(a.atom[0], a.atom[1], a.atom[2], a.theta0_rad, a.k);
    }
    for (int i = 0; i < s->n_torsions; i++) {
        const cox_torsion &t = s->torsions[i];
        torsion->addTorsion(t.atom[0], t.atom[1], t.atom[2], t.atom[3], t.periodicity, t.phase_rad,
                            t.k);
    }
    bond->setForceGroup(BOND);
    angle->setForceGroup(ANGLE);
    torsion->setForceGroup(TORSION);
    out.addForce(bond);
    out.addForce(angle);
    out.addForce(torsion);
}

/* `which`: ALL, or LJ, COULOMB, LJ14, COULOMB14 with all else switched off. */
void add_nonbonded(OpenMM::System &out, const cox_system *s, double cutoff, int which)
{
    auto *force = new OpenMM::NonbondedForce;
    bool charges = which == ALL || which == COULOMB, wells = which == ALL || which == LJ;
    for (int i = 0; i < s->n_atoms; i++)
        force->addParticle(charges ? s->charge_e[i] : 0, s->sigma_nm[i], wells ? s->epsilon[i] : 0);
    for (int i = 0; i < s->n_exclusions; i++)
        force->addException(s->exclusions[i][0], s->exclusions[i][1], 0, 1, 0);
    bool charges14 = which == ALL || which == COULOMB14, wells14 = which == ALL || which == LJ14;
    for (int i = 0; i < s->n_pairs14; i++) {
        const cox_pair14 &p = s->pairs14[i];
        force->addException(p.atom[0], p.atom[1], charges14 ? p.charge_product : 0, p.sigma_nm,
                            wells14 ? p.epsilon : 0, true);
    }
    if (cutoff > 0) {
        force->setNonbondedMethod(OpenMM::NonbondedForce::CutoffNonPeriodic);
        force->setCutoffDistance(cutoff);
        force->setReactionFieldDielectric(1);
    }
    force->setForceGroup(which == ALL ? LJ : which);
    out.addForce(force);
}

void add_gb(OpenMM::System &out, const cox_system *s, double cutoff, int which)
{
    auto *force = new OpenMM::GBSAOBCForce;
    for (int i = 0; i < s->n_atoms; i++)
        force->addParticle(which == SURFACE ? 0 : s->charge_e[i], s->gb_radius_nm[i],
                           s->gb_scale[i]);
    force->setSolventDielectric(s->solvent_dielectric);
    force->setSoluteDielectric(s->solute_dielectric);
    force->setSurfaceAreaEnergy(which == GB ? 0 : s->surface_tension);
    if (cutoff > 0) {
        force->setNonbondedMethod(OpenMM::GBSAOBCForce::CutoffNonPeriodic);
        force->setCutoffDistance(cutoff);
    }
    force->setForceGroup(which == ALL ? GB : which);
    out.addForce(force);
}

bool is_hydrogen(const cox_system *s, int i)
{
    return s->element[i] == 1;
}

} // namespace

struct cox_openmm {
    OpenMM::System system;
    std::unique_ptr<OpenMM::LangevinMiddleIntegrator> integrator;
    std::unique_ptr<OpenMM::Context> context;
    bool split = false;
    double temperature = 0;
    int seed = 0;
};

namespace
{

void build(cox_openmm &o, const cox_system *s, const cox_openmm_options *options)
{
    load_cpu_platform();
    std::vector<double> mass(s->mass_u, s->mass_u + s->n_atoms);
    std::vector<char> constrained(s->n_bonds);
    for (int i = 0; i < s->n_bonds; i++) {
        int a = s->bonds[i].atom[0], b = s->bonds[i].atom[1];
        if (is_hydrogen(s, a) == is_hydrogen(s, b))
            continue;
        constrained[i] = options->constrain_hydrogens != 0;
        int h = is_hydrogen(s, a) ? a : b, heavy = is_hydrogen(s, a) ? b : a;
        if (options->hydrogen_mass_u > 0) {
            mass[heavy] -= options->hydrogen_mass_u - mass[h];
            mass[h] = options->hydrogen_mass_u;
        }
    }
    for (double m : mass)
        o.system.addParticle(m);
    add_bonded(o.system, s, constrained);
    if (options->split) {
        for (int g = LJ; g <= COULOMB14; g++)
            add_nonbonded(o.system, s, options->cutoff_nm, g);
        for (int g = GB; g <= SURFACE && s->solvent == COX_SOLVENT_OBC2; g++)
            add_gb(o.system, s, options->cutoff_nm, g);
    } else {
        add_nonbonded(o.system, s, options->cutoff_nm, ALL);
        if (s->solvent == COX_SOLVENT_OBC2)
            add_gb(o.system, s, options->cutoff_nm, ALL);
    }
    o.split = options->split != 0;
    o.temperature = options->temperature_K;
    o.seed = options->seed;
    o.integrator.reset(new OpenMM::LangevinMiddleIntegrator(
        options->temperature_K, options->friction_per_ps, options->timestep_fs * 1e-3));
    o.integrator->setRandomNumberSeed(options->seed);
    OpenMM::Platform &platform = OpenMM::Platform::getPlatformByName(options->platform);
    std::map<std::string, std::string> properties;
    if (std::string(options->platform) == "CPU")
        properties["Threads"] = std::to_string(options->threads > 0 ? options->threads : 1);
    o.context.reset(new OpenMM::Context(o.system, *o.integrator, platform, properties));
}

/* Runs `body`, turning exceptions into an error. */
template <typename F> int guarded(cox_err *err, F body)
{
    try {
        body();
        return COX_OK;
    } catch (const std::exception &e) {
        return cox_err_set(err, COX_EEXTERNAL, "OpenMM: %s", e.what());
    }
}

} // namespace

int cox_openmm_create(cox_openmm **out, const cox_system *system, const cox_openmm_options *options,
                      cox_err *err)
{
    *out = nullptr;
    std::unique_ptr<cox_openmm> o(new cox_openmm);
    int rc = guarded(err, [&] { build(*o, system, options); });
    if (!rc)
        rc = cox_openmm_set_positions(o.get(), system->position_nm, err);
    if (!rc)
        *out = o.release();
    return rc;
}

void cox_openmm_destroy(cox_openmm *o)
{
    delete o;
}

const char *cox_openmm_version(void)
{
    return OpenMM::Platform::getOpenMMVersion().c_str();
}

int cox_openmm_set_positions(cox_openmm *o, const double (*x)[3], cox_err *err)
{
    return guarded(err, [&] {
        std::vector<Vec3> positions;
        for (int i = 0; i < o->system.getNumParticles(); i++)
            positions.emplace_back(x[i][0], x[i][1], x[i][2]);
        o->context->setPositions(positions);
    });
}

int cox_openmm_thermalize(cox_openmm *o, cox_err *err)
{
    return guarded(err, [&] {
        o->context->applyConstraints(1e-6);
        o->context->setVelocitiesToTemperature(o->temperature, o->seed + 1);
    });
}

int cox_openmm_minimize(cox_openmm *o, cox_err *err)
{
    return guarded(err, [&] { OpenMM::LocalEnergyMinimizer::minimize(*o->context, 10, 500); });
}

int cox_openmm_step(cox_openmm *o, int n, cox_err *err)
{
    return guarded(err, [&] { o->integrator->step(n); });
}

int cox_openmm_positions(cox_openmm *o, double (*x)[3], cox_err *err)
{
    return guarded(err, [&] {
        OpenMM::State state = o->context->getState(OpenMM::State::Positions);
        for (int i = 0; i < o->system.getNumParticles(); i++)
            for (int k = 0; k < 3; k++)
                x[i][k] = state.getPositions()[i][k];
    });
}

int cox_openmm_evaluate(cox_openmm *o, cox_energies *energies, double (*force)[3], cox_err *err)
{
    return guarded(err, [&] {
        int what = OpenMM::State::Energy | (force ? OpenMM::State::Forces : 0);
        OpenMM::State state = o->context->getState(what);
        for (int i = 0; force && i < o->system.getNumParticles(); i++)
            for (int k = 0; k < 3; k++)
                force[i][k] = state.getForces()[i][k];
        if (!energies)
            return;
        *energies = cox_energies();
        energies->potential = state.getPotentialEnergy();
        double *const terms[GROUPS] = {
            &energies->bond,      &energies->angle,   &energies->torsion,
            &energies->lj,        &energies->coulomb, &energies->lj14,
            &energies->coulomb14, &energies->gb,      &energies->surface};
        for (int g = 0; o->split && g < GROUPS; g++)
            *terms[g] =
                o->context->getState(OpenMM::State::Energy, false, 1 << g).getPotentialEnergy();
    });
}
