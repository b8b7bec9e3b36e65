/* SPDX-License-Identifier: BSD-3-Clause */
#include "steer/settings.h"

#include <math.h>
#include <stddef.h>

#include "molecule/observable.h"
#include "steer/settings_streaming.h"

static const char *const engines[] = {"ensemble", "fake", NULL};
static const char *const coordinations[] = {"sequential", "streaming", NULL};
static const char *const samplings[] = {"mixed", "newest", "reservoir", NULL};
static const char *const transports[] = {"auto", "ipc", "tcp", NULL};
static const char *const executors[] = {"auto", "local", "slurm", NULL};
static const char *const outlier_methods[] = {"none", "dbscan", "lof", "knn", NULL};
static const char *const spaces[] = {"latent", "distances", NULL};
static const char *const directions[] = {"minimise", "maximise", NULL};
static const char *const velocities[] = {"redraw", "keep", NULL};

#define F(type, member) COX_CONFIG_FIELD(struct cox_settings_##type, member)

static const struct cox_config_row simulation_rows[] = {
    {"engine", COX_CONFIG_ENUM, F(simulation, engine), .initial = "ensemble", .choices = engines,
     .help = "who computes the forces; 'fake' is an instant stand-in for trying a file out"},
    {"replicas", COX_CONFIG_INT, F(simulation, replicas), .initial = "32", .minimum = 1,
     .maximum = 100000,
     .help = "simulations side by side; best a multiple of 16 (AVX-512) or 8 (AVX2) per core"},
    {"threads", COX_CONFIG_INT, F(simulation, threads), .initial = "0", .minimum = 0,
     .maximum = 4096,
     .help = "threads for simulating and training, streaming: cores of the whole run on this "
             "machine; 0: every processor"},
    {"temperature_K", COX_CONFIG_DOUBLE, F(simulation, temperature_K), .unit = "K",
     .initial = "300", .minimum = 1, .maximum = 2000, .help = "of the Langevin thermostat"},
    {"timestep_fs", COX_CONFIG_DOUBLE, F(simulation, timestep_fs), .unit = "fs", .initial = "2",
     .minimum = 0.1, .maximum = 5, .help = "length of one step; above 2.5 needs hydrogen_mass_u"},
    {"friction_per_ps", COX_CONFIG_DOUBLE, F(simulation, friction_per_ps), .unit = "1/ps",
     .initial = "1", .minimum = 0.001, .maximum = 100, .help = "of the Langevin thermostat"},
    {"hydrogen_mass_u", COX_CONFIG_DOUBLE, F(simulation, hydrogen_mass_u), .unit = "u",
     .initial = "0", .minimum = 0, .maximum = 4,
     .help = "hydrogen-mass repartitioning: 3 lets 4 fs steps; 0: masses as they are"},
    {"constrain_hydrogens", COX_CONFIG_BOOL, F(simulation, constrain_hydrogens), .initial = "true",
     .help = "rigid bonds to hydrogen (SHAKE/RATTLE)"},
    {"slow_every", COX_CONFIG_INT, F(simulation, slow_every), .initial = "1", .minimum = 1,
     .maximum = 4, .help = "multiple time stepping: slow forces every so many steps; 1: off"},
    {"segment_ps", COX_CONFIG_DOUBLE, F(simulation, segment_ps), .unit = "ps", .initial = "50",
     .minimum = 0.01, .maximum = 1e6, .help = "simulated time of a replica in one round"},
    {"frame_ps", COX_CONFIG_DOUBLE, F(simulation, frame_ps), .unit = "ps", .initial = "5",
     .minimum = 0.001, .maximum = 1e6, .help = "time between two stored frames"},
    {"minimize_steps", COX_CONFIG_INT, F(simulation, minimize_steps), .initial = "500",
     .minimum = 0, .maximum = 1e6, .help = "steps of minimisation before the first round"},
};
static const struct cox_config_schema simulation_schema = COX_CONFIG_SCHEMA(
    simulation_rows, struct cox_settings_simulation, "The molecular dynamics of every replica.");

static const struct cox_config_row reference_rows[] = {
    {"path", COX_CONFIG_PATH, F(reference, path), .flags = COX_CONFIG_MUST_EXIST,
     .help = "a fold to aim at or to measure against: PDB, system file or trajectory"},
    {"model", COX_CONFIG_INT, F(reference, model), .initial = "0", .minimum = 0, .maximum = 1e9,
     .help = "model of a PDB (1 the first) or frame of a trajectory; 0: the first"},
    {"selection", COX_CONFIG_TEXT, F(reference, selection), .initial = "name CA",
     .help = "atoms of the RMSD"},
};
static const struct cox_config_schema reference_schema =
    COX_CONFIG_SCHEMA(reference_rows, struct cox_settings_reference,
                      "What the RMSD is measured to. Without it the run looks for novelty only.");

static const struct cox_config_row features_rows[] = {
    {"selection", COX_CONFIG_TEXT, F(features, selection), .initial = "name CA",
     .help = "points of the contact map"},
    {"contact_cutoff_A", COX_CONFIG_DOUBLE, F(features, contact_cutoff_A), .unit = "Å",
     .initial = "8", .minimum = 1, .maximum = 50, .help = "two points closer than this touch"},
    {"observables", COX_CONFIG_TEXTS, F(features, observables), .initial = "[rg_A]",
     .max_items = 16, .help = "numbers stored with every frame, besides rmsd_A and the objective"},
};
static const struct cox_config_schema features_schema =
    COX_CONFIG_SCHEMA(features_rows, struct cox_settings_features, "What is computed of a frame.");

static const struct cox_config_row learn_rows[] = {
    {"enabled", COX_CONFIG_BOOL, F(learn, enabled), .initial = "true",
     .help = "train the CVAE; false: the agent works on plain distances"},
    {"filters", COX_CONFIG_INTS, F(learn, filters), .initial = "[64, 64, 64, 64]", .minimum = 1,
     .maximum = 1024, .min_items = 1, .max_items = 8, .help = "of each convolution"},
    {"strides", COX_CONFIG_INTS, F(learn, strides), .initial = "[1, 2, 1, 1]", .minimum = 1,
     .maximum = 2, .min_items = 1, .max_items = 8,
     .help = "of each convolution; as many as filters"},
    {"kernel", COX_CONFIG_INT, F(learn, kernel), .initial = "3", .minimum = 1, .maximum = 7,
     .help = "side of a convolution's filters: 1, 3, 5 or 7"},
    {"dense", COX_CONFIG_INT, F(learn, dense), .initial = "128", .minimum = 1, .maximum = 4096,
     .help = "units of the dense layers"},
    {"latent", COX_CONFIG_INT, F(learn, latent), .initial = "10", .minimum = 1, .maximum = 256,
     .help = "dimensions of the latent space"},
    {"dropout", COX_CONFIG_DOUBLE, F(learn, dropout), .initial = "0.25", .minimum = 0,
     .maximum = 0.95, .help = "share of the features dropped while training"},
    {"learning_rate", COX_CONFIG_DOUBLE, F(learn, learning_rate), .initial = "0.001",
     .minimum = 1e-8, .maximum = 1, .help = "of RMSprop"},
    {"batch", COX_CONFIG_INT, F(learn, batch), .initial = "64", .minimum = 1, .maximum = 4096,
     .help = "contact maps per training step"},
    {"epochs_first", COX_CONFIG_INT, F(learn, epochs_first), .initial = "10", .minimum = 1,
     .maximum = 10000, .help = "passes over the frames when the model is first trained"},
    {"epochs", COX_CONFIG_INT, F(learn, epochs), .initial = "2", .minimum = 1, .maximum = 10000,
     .help = "passes when it is trained on, warm"},
    {"retrain_every", COX_CONFIG_INT, F(learn, retrain_every), .initial = "2", .minimum = 1,
     .maximum = 10000,
     .help = "rounds between two trainings; streaming: see streaming.train_after_frames"},
    {"max_samples", COX_CONFIG_INT, F(learn, max_samples), .initial = "4000", .minimum = 16,
     .maximum = 1e7, .help = "frames of one training"},
    {"sampling", COX_CONFIG_ENUM, F(learn, sampling), .initial = "mixed", .choices = samplings,
     .help = "which frames: mixed: the newest half of max_samples, the rest drawn from all before; "
             "newest; or reservoir: drawn from all"},
    {"validation_fraction", COX_CONFIG_DOUBLE, F(learn, validation_fraction), .initial = "0.2",
     .minimum = 0, .maximum = 0.9, .help = "share of the samples held out"},
    {"publish_tolerance", COX_CONFIG_DOUBLE, F(learn, publish_tolerance), .initial = "0.05",
     .minimum = 0, .maximum = 1e6,
     .help = "streaming: a model is published when its validation loss is at most (1 + this) times "
             "that of the published one on the same frames"},
    {"init_from", COX_CONFIG_PATH, F(learn, init_from), .flags = COX_CONFIG_MUST_EXIST,
     .help = "a model file to start from instead of random weights"},
};
static const struct cox_config_schema learn_schema = COX_CONFIG_SCHEMA(
    learn_rows, struct cox_settings_learn, "The variational autoencoder of contact maps.");

static const struct cox_config_row agent_rows[] = {
    {"enabled", COX_CONFIG_BOOL, F(agent, enabled), .initial = "true",
     .help = "restart replicas; false: they all go on (as with control)"},
    {"outliers", COX_CONFIG_ENUM, F(agent, outliers), .initial = "none", .choices = outlier_methods,
     .help = "candidates for restarts: none: every frame, ranked by how rarely its state was seen; "
             "or only the outliers: by DBSCAN, LOF, or knn, the distance to a far neighbour"},
    {"space", COX_CONFIG_ENUM, F(agent, space), .initial = "latent", .choices = spaces,
     .help = "where outliers are looked for: the model's latent space or plain point distances"},
    {"min_samples", COX_CONFIG_INT, F(agent, min_samples), .initial = "10", .minimum = 2,
     .maximum = 1000, .help = "DBSCAN: neighbours that make a core point"},
    {"outliers_min", COX_CONFIG_DOUBLE, F(agent, outliers_min), .initial = "0.03", .minimum = 0,
     .maximum = 1, .help = "least share of the window that are to be outliers (eps is searched)"},
    {"outliers_max", COX_CONFIG_DOUBLE, F(agent, outliers_max), .initial = "0.10", .minimum = 0,
     .maximum = 1, .help = "largest share of the window that are to be outliers"},
    {"lof_neighbours", COX_CONFIG_INT, F(agent, lof_neighbours), .initial = "20", .minimum = 2,
     .maximum = 1000, .help = "LOF: neighbours of a frame; knn: which neighbour"},
    {"objective", COX_CONFIG_TEXT, F(agent, objective),
     .help = "observable that ranks the candidates, e.g. rmsd_A; left out: novelty only"},
    {"direction", COX_CONFIG_ENUM, F(agent, direction), .initial = "minimise",
     .choices = directions, .help = "of the objective"},
    {"explore", COX_CONFIG_DOUBLE, F(agent, explore), .initial = "0.1", .minimum = 0, .maximum = 1,
     .help = "weight of novelty against the objective: 0 greedy, 1 novelty only"},
    {"diversity_A", COX_CONFIG_DOUBLE, F(agent, diversity_A), .unit = "Å", .initial = "1",
     .minimum = 0, .maximum = 100, .help = "least distance RMS between any two picks of a round"},
    {"max_reuse", COX_CONFIG_INT, F(agent, max_reuse), .initial = "2", .minimum = 1,
     .maximum = 1000000, .help = "how often one frame may be picked in the whole run"},
    {"restart", COX_CONFIG_DOUBLE, F(agent, restart), .initial = "0.5", .minimum = 0, .maximum = 1,
     .help =
         "share of the steered replicas that is restarted in a round, the least promising ones"},
    {"unsteered", COX_CONFIG_DOUBLE, F(agent, unsteered), .initial = "0.125", .minimum = 0,
     .maximum = 1, .help = "share of the replicas that is never touched"},
    {"window", COX_CONFIG_INT, F(agent, window), .minimum = 16, .maximum = 1e6,
     .help = "newest frames that the agent looks at; left out: 8000 sequential, 80000 streaming"},
    {"velocities", COX_CONFIG_ENUM, F(agent, velocities), .initial = "redraw",
     .choices = velocities, .help = "of a restarted replica: drawn anew, or the frame's own"},
    {"random_order", COX_CONFIG_BOOL, F(agent, random_order), .initial = "false",
     .help = "draw picks at random from the best candidates instead of in order"},
    {"stale_ps", COX_CONFIG_DOUBLE, F(agent, stale_ps), .unit = "ps", .initial = "0", .minimum = 0,
     .maximum = 1e9,
     .help = "streaming: a replica without progress (of the objective, or in latent space) over "
             "this time is restarted at once, within its segment; 0: never"},
};
static const struct cox_config_schema agent_schema = COX_CONFIG_SCHEMA(
    agent_rows, struct cox_settings_agent, "Who is restarted, and from which frames.");

static const struct cox_config_row streaming_rows[] = {
    {"simulations", COX_CONFIG_INT, F(streaming, simulations), .initial = "0", .minimum = 0,
     .maximum = 100000,
     .help = "simulation processes that the replicas are dealt to; 0: one per core, as long as "
             "each has a vector of replicas to fill"},
    {"aggregators", COX_CONFIG_INT, F(streaming, aggregators), .initial = "1", .minimum = 1,
     .maximum = 1000, .help = "processes that store frames, each in a file of its own"},
    {"window_frames", COX_CONFIG_INT, F(streaming, window_frames), .initial = "64", .minimum = 1,
     .maximum = 1024,
     .help = "frames of one simulation process on their way; it waits when so many are not stored"},
    {"train_first_frames", COX_CONFIG_INT, F(streaming, train_first_frames), .minimum = 2,
     .maximum = 1e8,
     .help = "frames before the first training; left out: as many as one segment of all replicas"},
    {"train_after_frames", COX_CONFIG_INT, F(streaming, train_after_frames), .minimum = 1,
     .maximum = 1e8,
     .help = "new frames between two trainings; left out: learn.retrain_every segments of all "
             "replicas"},
    {"learn_cores_max", COX_CONFIG_INT, F(streaming, learn_cores_max), .initial = "1", .minimum = 1,
     .maximum = 4096,
     .help = "cores that training may take from the simulations while it is behind"},
    {"silence_s", COX_CONFIG_DOUBLE, F(streaming, silence_s), .unit = "s", .initial = "30",
     .minimum = 0.1, .maximum = 86400,
     .help = "a process that was not heard of for so long is restarted; one that does not hear the "
             "coordinator leaves"},
    {"heartbeat_s", COX_CONFIG_DOUBLE, F(streaming, heartbeat_s), .unit = "s", .initial = "1",
     .minimum = 0.01, .maximum = 3600, .help = "time between two signs of life of a process"},
    {"restarts", COX_CONFIG_INT, F(streaming, restarts), .initial = "20", .minimum = 0,
     .maximum = 1000000,
     .help = "how often one process is started again before it is given up; ten minutes of life "
             "give all back"},
    {"checkpoint_s", COX_CONFIG_DOUBLE, F(streaming, checkpoint_s), .unit = "s", .initial = "0",
     .minimum = 0, .maximum = 86400,
     .help = "least time between two checkpoints of a simulation, which is what its crash costs; "
             "0: one as soon as its frames are stored"},
    {"compress", COX_CONFIG_BOOL, F(streaming, compress), .initial = "true",
     .help = "compress the frames files (blosc-zstd, where HDF5 has it)"},
    {"transport", COX_CONFIG_ENUM, F(streaming, transport), .initial = "auto",
     .choices = transports,
     .help = "ipc: sockets of this machine; tcp: encrypted, across machines; auto: whichever fits"},
    {"train_command", COX_CONFIG_TEXTS, F(streaming, train_command), .initial = "[]",
     .max_items = 100, .help = "a command that takes the train role's place, see docs/protocol.md"},
    {"agent_command", COX_CONFIG_TEXTS, F(streaming, agent_command), .initial = "[]",
     .max_items = 100, .help = "a command that takes the agent role's place, see docs/protocol.md"},
};
static const struct cox_config_schema streaming_schema =
    COX_CONFIG_SCHEMA(streaming_rows, struct cox_settings_streaming,
                      "The processes of a streaming run (coordination: streaming).");

static const struct cox_config_row runtime_rows[] = {
    {"executor", COX_CONFIG_ENUM, F(runtime, executor), .initial = "auto", .choices = executors,
     .help = "who starts the processes of a streaming run: local: this machine; slurm: steps of "
             "the allocation that cox runs in; auto: slurm inside an allocation, else local"},
    {"wrapper", COX_CONFIG_TEXTS, F(runtime, wrapper), .initial = "[]", .max_items = 100,
     .help = "words put before the command of every process of a streaming run, e.g. [numactl, "
             "--localalloc] or a container's; the variable COX_ROLE tells it the role"},
};
static const struct cox_config_schema runtime_schema =
    COX_CONFIG_SCHEMA(runtime_rows, struct cox_settings_runtime, "Where the processes run.");

static const struct cox_config_row slurm_rows[] = {
    {"partition", COX_CONFIG_TEXT, F(slurm, partition),
     .help = "to submit to; left out: the cluster's default"},
    {"nodes", COX_CONFIG_INT, F(slurm, nodes), .initial = "1", .minimum = 1, .maximum = 100000,
     .help = "of the allocation"},
    {"cores_per_node", COX_CONFIG_INT, F(slurm, cores_per_node), .initial = "0", .minimum = 0,
     .maximum = 4096, .help = "of the allocation; 0: whole nodes"},
    {"time_minutes", COX_CONFIG_DOUBLE, F(slurm, time_minutes), .unit = "min", .initial = "60",
     .minimum = 0, .maximum = 1e7, .flags = COX_CONFIG_ABOVE_MINIMUM,
     .help = "of one allocation; the run goes on in the next"},
    {"account", COX_CONFIG_TEXT, F(slurm, account),
     .help = "to charge; left out: the user's default"},
    {"extra", COX_CONFIG_TEXTS, F(slurm, extra), .initial = "[]", .max_items = 100,
     .help = "more options of sbatch, e.g. --qos=long"},
    {"requeue", COX_CONFIG_BOOL, F(slurm, requeue), .initial = "true",
     .help = "the job puts itself back into the queue when its time ends before the run does"},
};
static const struct cox_config_schema slurm_schema = COX_CONFIG_SCHEMA(
    slurm_rows, struct cox_settings_slurm, "The allocation that 'cox run --submit' asks for.");

static const struct cox_config_row target_rows[] = {
    {"rmsd_A", COX_CONFIG_DOUBLE, F(target, rmsd_A), .unit = "Å", .minimum = 0, .maximum = 1000,
     .help = "a replica has arrived when its median RMSD over a segment is below this"},
    {"lanes", COX_CONFIG_DOUBLE, F(target, lanes), .initial = "0.25", .minimum = 0, .maximum = 1,
     .help = "share of the replicas that must have arrived"},
    {"segments", COX_CONFIG_INT, F(target, segments), .initial = "2", .minimum = 1, .maximum = 1000,
     .help = "in so many rounds in a row"},
};
static const struct cox_config_schema target_schema =
    COX_CONFIG_SCHEMA(target_rows, struct cox_settings_target, "Stop when the fold is found.");

static const struct cox_config_row convergence_rows[] = {
    {"new_states_per_ns", COX_CONFIG_DOUBLE, F(convergence, new_states_per_ns), .unit = "1/ns",
     .initial = "0", .minimum = 0, .maximum = 1e9,
     .help = "stop when fewer new states than this are found per nanosecond; 0: never"},
    {"rounds", COX_CONFIG_INT, F(convergence, rounds), .initial = "5", .minimum = 1,
     .maximum = 100000, .help = "over the last so many rounds"},
    {"state_radius_A", COX_CONFIG_DOUBLE, F(convergence, state_radius_A), .unit = "Å",
     .initial = "1.5", .minimum = 0.05, .maximum = 100,
     .help = "a frame farther (distance RMS) than this from every state is a new state"},
};
static const struct cox_config_schema convergence_schema = COX_CONFIG_SCHEMA(
    convergence_rows, struct cox_settings_convergence, "Stop when nothing new is found.");

static const struct cox_config_row stop_rows[] = {
    {"simulated_ns", COX_CONFIG_DOUBLE, F(stop, simulated_ns), .unit = "ns", .minimum = 0,
     .maximum = 1e12, .flags = COX_CONFIG_ABOVE_MINIMUM,
     .help = "aggregate simulated time of all replicas"},
    {"wall_minutes", COX_CONFIG_DOUBLE, F(stop, wall_minutes), .unit = "min", .minimum = 0,
     .maximum = 1e9, .flags = COX_CONFIG_ABOVE_MINIMUM, .help = "time on the clock"},
    {"rounds", COX_CONFIG_INT, F(stop, rounds), .minimum = 1, .maximum = 1e9,
     .help = "number of rounds; streaming: segments of the slowest replica"},
    {"target", COX_CONFIG_SECTION, F(stop, target), .section = &target_schema,
     .help = "the fold is found"},
    {"convergence", COX_CONFIG_SECTION, F(stop, convergence), .section = &convergence_schema,
     .help = "nothing new is found"},
};
static const struct cox_config_schema stop_schema =
    COX_CONFIG_SCHEMA(stop_rows, struct cox_settings_stop,
                      "When the run ends; the first that holds. At least one limit is needed.");

#define R(member) COX_CONFIG_FIELD(struct cox_settings, member)
static const struct cox_config_row run_rows[] = {
    {"title", COX_CONFIG_TEXT, R(title), .initial = "a run", .help = "for the report"},
    {"system", COX_CONFIG_PATH, R(system), .flags = COX_CONFIG_REQUIRED | COX_CONFIG_MUST_EXIST,
     .help = "what to simulate: a system file made by 'cox prepare'"},
    {"starts", COX_CONFIG_PATHS, R(starts), .initial = "[]", .flags = COX_CONFIG_MUST_EXIST,
     .help = "start structures, dealt to the replicas in turn; left out: the system's coordinates"},
    {"output", COX_CONFIG_PATH, R(output),
     .help = "directory of the results; left out: the file's name with .run"},
    {"seed", COX_CONFIG_INT64, R(seed), .initial = "1", .help = "of everything random"},
    {"coordination", COX_CONFIG_ENUM, R(coordination), .initial = "sequential",
     .choices = coordinations,
     .help = "sequential: simulate, train, restart, in rounds; streaming: all at once"},
    {"control", COX_CONFIG_BOOL, R(control), .initial = "false",
     .help = "true: same system, same time, nothing learned, nobody restarted"},
    {"reference", COX_CONFIG_SECTION, R(reference), .section = &reference_schema,
     .help = "what to aim at"},
    {"simulation", COX_CONFIG_SECTION, R(simulation), .section = &simulation_schema,
     .help = "how to simulate"},
    {"features", COX_CONFIG_SECTION, R(features), .section = &features_schema,
     .help = "what to compute"},
    {"learn", COX_CONFIG_SECTION, R(learn), .section = &learn_schema, .help = "what to learn"},
    {"agent", COX_CONFIG_SECTION, R(agent), .section = &agent_schema, .help = "whom to restart"},
    {"streaming", COX_CONFIG_SECTION, R(streaming), .section = &streaming_schema,
     .help = "the processes of a streaming run"},
    {"runtime", COX_CONFIG_SECTION, R(runtime), .section = &runtime_schema,
     .help = "where they run"},
    {"slurm", COX_CONFIG_SECTION, R(slurm), .section = &slurm_schema,
     .help = "what to ask a cluster for"},
    {"stop", COX_CONFIG_SECTION, R(stop), .section = &stop_schema, .help = "when to end"},
};
const struct cox_config_schema cox_settings_schema = COX_CONFIG_SCHEMA(
    run_rows, struct cox_settings,
    "A steered run: an ensemble of simulations, a model of what they have seen, an agent that "
    "restarts them where it matters.");

static int check_simulation(const struct cox_settings *s, const struct cox_config *config,
                            struct cox_err *err)
{
    const struct cox_settings_simulation *m = &s->simulation;
    if (m->timestep_fs > 2.5 && (m->hydrogen_mass_u < 2 || !m->constrain_hydrogens))
        return cox_config_error(config, "simulation.timestep_fs", err, COX_EINVAL,
                                "timestep_fs %g is too long for hydrogens of their own mass; give "
                                "hydrogen_mass_u 3 and constrain_hydrogens, or at most 2.5",
                                m->timestep_fs);
    double per_frame = m->frame_ps * 1000 / m->timestep_fs;
    if (fabs(per_frame - round(per_frame)) > 1e-6 * per_frame || per_frame < 1)
        return cox_config_error(config, "simulation.frame_ps", err, COX_EINVAL,
                                "frame_ps %g is no whole number of steps of %g fs", m->frame_ps,
                                m->timestep_fs);
    double per_segment = m->segment_ps / m->frame_ps;
    if (fabs(per_segment - round(per_segment)) > 1e-6 * per_segment || per_segment < 1)
        return cox_config_error(config, "simulation.segment_ps", err, COX_EINVAL,
                                "segment_ps %g is no whole number of frames of %g ps",
                                m->segment_ps, m->frame_ps);
    return COX_OK;
}

static int check_observable(const struct cox_settings *s, const struct cox_config *config,
                            const char *key, const char *what, struct cox_err *err)
{
    struct cox_err problem = COX_ERR_INIT;
    bool needs_reference = false;
    if (cox_observable_check(what, &needs_reference, &problem))
        return cox_config_error(config, key, err, COX_EINVAL, "%s", problem.text);
    if (needs_reference && !s->reference.path)
        return cox_config_error(config, key, err, COX_EINVAL,
                                "'%s' needs a reference; give reference.path", what);
    return COX_OK;
}

static int check_agent(const struct cox_settings *s, const struct cox_config *config,
                       struct cox_err *err)
{
    const struct cox_settings_agent *a = &s->agent;
    int rc;
    if (a->objective && (rc = check_observable(s, config, "agent.objective", a->objective, err)))
        return rc;
    for (int i = 0; i < s->features.observables.n; i++)
        if ((rc = check_observable(s, config, "features.observables",
                                   s->features.observables.items[i], err)))
            return rc;
    if (a->outliers_min > a->outliers_max)
        return cox_config_error(config, "agent.outliers_min", err, COX_EINVAL,
                                "outliers_min %g is above outliers_max %g", a->outliers_min,
                                a->outliers_max);
    if (a->outliers != COX_OUTLIERS_NONE && a->space == COX_SPACE_LATENT && !s->learn.enabled &&
        a->enabled && !s->control)
        return cox_config_error(config, "agent.space", err, COX_EINVAL,
                                "space: latent needs learn.enabled: true; or use distances");
    return COX_OK;
}

static int check_stop(const struct cox_settings *s, const struct cox_config *config,
                      struct cox_err *err)
{
    const struct cox_settings_stop *t = &s->stop;
    if (!isnan(t->target.rmsd_A) && !s->reference.path)
        return cox_config_error(config, "stop.target", err, COX_EINVAL,
                                "a target RMSD needs a reference; give reference.path");
    if (isnan(t->simulated_ns) && isnan(t->wall_minutes) && t->rounds == COX_CONFIG_UNSET)
        return cox_config_error(config, "stop", err, COX_EINVAL,
                                "no limit: give simulated_ns, wall_minutes or rounds");
    return COX_OK;
}

int cox_settings_load(struct cox_settings *out, struct cox_config **config, const char *path,
                      const char *const *assignments, int n, struct cox_arena *arena,
                      struct cox_err *err)
{
    const struct cox_config_texts given = {n, assignments};
    int rc = cox_config_load_with(config, out, &cox_settings_schema, path, &given, arena, err);
    if (rc)
        return rc;
    if (out->learn.filters.n != out->learn.strides.n)
        return cox_config_error(*config, "learn.strides", err, COX_EINVAL,
                                "%d strides for %d filters; give one each", out->learn.strides.n,
                                out->learn.filters.n);
    if (out->learn.kernel % 2 == 0)
        return cox_config_error(*config, "learn.kernel", err, COX_EINVAL,
                                "kernel must be 1, 3, 5 or 7, not %d", out->learn.kernel);
    if ((rc = check_simulation(out, *config, err)) || (rc = check_agent(out, *config, err)) ||
        (rc = check_stop(out, *config, err)) ||
        (rc = cox_settings_finish_streaming(out, *config, err)))
        return rc;
    out->simulation.save_velocities = out->agent.velocities == COX_VELOCITIES_KEEP;
    return COX_OK;
}
