//! Every graph gives the same results at every stage of compilation: raw, simplified, fused and laid out (in f64,
//! with the interpreter), and planned (in f32, with the engine), on every instruction set, and with each pass
//! disabled in turn; and on the reference device.

use std::collections::HashMap;
use std::sync::Arc;

use striate_engine::passes::{Disabled, NEUTRAL, all_names, run_neutral};
use striate_engine::{Cpu, Device, Inference, Isa, Precision, Reference, Training, Variables};
use striate_gpu::{Driver, Gpu, cuda};
use striate_graph::{
    Builder, Graph, Network, Optimizer, Padding, PerAxis, Role, Tensor, TrainingSpec, training_graph,
};
use striate_testkit::{Emulator, Interpreter, Values, each_of, missing_data, networks};

/// A batch that does not fill a vector, and one that fills the vectors of every instruction set.
const BATCHES: [usize; 2] = [3, 16];

fn given(network: &Network, batch: usize) -> Values {
    let mut given = networks::variables(network);
    let labels = networks::labels(batch, network.classes().unwrap());
    given.insert(
        "input".into(),
        networks::images(network, batch).iter().map(|x| f64::from(*x as f32)).collect(),
    );
    given.insert("labels".into(), labels.iter().map(|label| *label as f64).collect());
    given.insert("rate".into(), vec![f64::from(0.1f32)]);
    given.insert("seed".into(), vec![7.0]);
    given
}

fn as_variables(network: &Network, values: &Values) -> Variables {
    let floats = |name: &String| values[name].iter().map(|x| *x as f32).collect();
    let auxiliary = network.auxiliary_variables().unwrap();
    network
        .variables()
        .unwrap()
        .into_iter()
        .chain(auxiliary)
        .map(|(name, shape)| (name.clone(), (shape, floats(&name))))
        .collect()
}

fn close(got: &[f64], expected: &[f64], tolerance: f64, place: &str) {
    assert_eq!(got.len(), expected.len(), "{place}");
    // The exact gradient of a bias before a batch norm is zero; in f32, rounding errors remain.
    let largest = expected.iter().fold(0.1f64, |most, x| most.max(x.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            (got - expected).abs() <= tolerance * largest,
            "{place}[{i}]: got {got}, expected {expected}"
        );
    }
}

/// All processors to check: every instruction set with all passes, and with each pass disabled in turn.
fn processors() -> Vec<(String, Cpu)> {
    let mut all = Vec::new();
    for isa in Isa::available() {
        all.push((format!("{isa}"), Cpu::with_isa(2, isa)));
        for pass in all_names() {
            let cpu = Cpu::with_isa(1, isa).without(Disabled::new([pass]).unwrap());
            all.push((format!("{isa} without {pass}"), cpu));
        }
    }
    all
}

/// All devices to check: the processors and the reference, with and without the neutral passes.
fn devices() -> Vec<(String, Arc<dyn Device>)> {
    let all = processors().into_iter().map(|(name, cpu)| (name, cpu.into()));
    let plain = Disabled::new(NEUTRAL.iter().map(|pass| pass.name)).unwrap();
    let reference = [("reference", Disabled::none()), ("reference without neutral passes", plain)]
        .map(|(name, disabled)| (name.to_owned(), Reference::new(disabled).into()));
    all.chain(reference).chain(gpus()).collect()
}

/// The GPU's kernels on both emulators with all passes, and on one without them; or, with `STRIATE_GPU`, on the real
/// GPU, which must be there.
fn gpus() -> Vec<(String, Arc<dyn Device>)> {
    let is_real = std::env::var_os("STRIATE_GPU").is_some();
    let drivers: Vec<Arc<dyn Driver>> = match Emulator::get() {
        _ if is_real => vec![Arc::new(cuda::Cuda::open(0).unwrap())],
        Some([emulator, with_library]) => vec![emulator, with_library],
        None => {
            missing_data("kernels of the GPU", "no C++ compiler");
            return Vec::new();
        }
    };
    let gpu = |driver: &Arc<dyn Driver>, without: &[&str]| {
        let disabled = Disabled::new(without.iter().copied()).unwrap();
        let name = format!("{} without {without:?}", driver.name());
        (name, Gpu::new(driver.clone()).without(disabled).into())
    };
    let whole = drivers.iter().map(|driver| gpu(driver, &[]));
    let with_some = gpu(&drivers[0], &["fuse", "residual_gradient", "memory"]);
    // Where it does not round to tf32, this precision still has channels last.
    let last = drivers.iter().filter(|_| !is_real).map(|driver| {
        let gpu = Gpu::new(driver.clone()).with_precision(Precision::Tf32);
        (format!("{} with channels last", driver.name()), gpu.into())
    });
    whole.chain([with_some]).chain(last).collect()
}

fn cases() -> impl Iterator<Item = (Network, usize)> {
    networks::all().into_iter().flat_map(|network| BATCHES.map(|batch| (network.clone(), batch)))
}

/// The graph after each stage.
fn stages(graph: &Graph, cpu: &Cpu) -> Vec<(&'static str, Graph)> {
    let mut simplified = graph.clone();
    run_neutral(&mut simplified, cpu.disabled());
    let [fused, laid_out] = cpu.stages(simplified.clone()).unwrap();
    vec![("simplified", simplified), ("fused", fused), ("laid out", laid_out)]
}

#[test]
fn inference_is_the_same_at_every_stage() {
    for (network, batch) in cases() {
        let given = given(&network, batch);
        let raw = network.graph(batch).unwrap();
        let expected = Interpreter::run(&raw, &given).output(0).to_vec();
        let shape = network.input_shape(batch);
        let input: Vec<f32> = given["input"].iter().map(|x| *x as f32).collect();
        for (name, cpu) in processors() {
            for (stage, graph) in stages(&raw, &cpu) {
                let place = format!("{} {stage} on {name}, batch {batch}", network.name);
                close(Interpreter::run(&graph, &given).output(0), &expected, 1e-9, &place);
            }
        }
        for (name, device) in devices() {
            let place = format!("{} planned on {name}, batch {batch}", network.name);
            let inference = Inference::new(network.clone(), &as_variables(&network, &given), device).unwrap();
            for _ in 0..2 {
                let (_, output) = inference.run(&shape, &input).unwrap();
                let output: Vec<f64> = output.iter().map(|x| f64::from(*x)).collect();
                close(&output, &expected, 2e-5, &place);
            }
        }
    }
}

#[test]
fn training_is_the_same_at_every_stage() {
    let sgd = Optimizer::Sgd { momentum: 0.9, nesterov: true, weight_decay: 0.01 };
    let adam =
        Optimizer::Adam { beta1: 0.9, beta2: 0.99, epsilon: 1e-3, weight_decay: 0.01, decoupled: true };
    let cases: Vec<_> = cases().collect();
    each_of(&cases, 2, |(network, batch)| {
        let batch = *batch;
        for spec in
            [TrainingSpec::new(sgd), TrainingSpec { clip_norm: Some(0.05), ..TrainingSpec::new(adam) }]
        {
            let given = given(network, batch);
            let raw = training_graph(&networks::training_form(network, batch), &spec).unwrap();
            let expected = Interpreter::run(&raw, &given);
            for (name, cpu) in processors() {
                for (stage, graph) in stages(&raw, &cpu) {
                    let place = format!("{} {stage} on {name}, batch {batch}", network.name);
                    let run = Interpreter::run(&graph, &given);
                    close(run.output(0), expected.output(0), 1e-9, &place);
                    for (_, value) in raw.variables(Role::Parameter).chain(raw.variables(Role::Buffer)) {
                        close(
                            run.get(&value.name),
                            expected.get(&value.name),
                            1e-9,
                            &format!("{place}, {}", value.name),
                        );
                    }
                }
            }
            for (name, device) in devices() {
                let place = format!("{} planned on {name}, batch {batch}", network.name);
                check_engine(network, &spec, &given, &raw, &expected, device, &place);
            }
        }
    });
}

/// Casts to `bf16`, which the interpreter rounds, change results only by the precision.
#[test]
fn casts_of_a_gpu_change_only_the_precision() {
    let Some([emulator, _]) = Emulator::get() else { return };
    let gpu = Gpu::new(emulator).with_precision(Precision::Bf16);
    let sgd = Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
    for (network, batch) in cases() {
        let given = given(&network, batch);
        let training = networks::training_form(&network, batch);
        let training = training_graph(&training, &TrainingSpec::new(sgd)).unwrap();
        for raw in [network.graph(batch).unwrap(), training] {
            let expected = Interpreter::run(&raw, &given).output(0).to_vec();
            let mut cast = raw.clone();
            run_neutral(&mut cast, gpu.disabled());
            gpu.rewrite(&mut cast);
            let place = format!("{} with casts, batch {batch}", network.name);
            close(Interpreter::run(&cast, &given).output(0), &expected, 0.05, &place);
        }
    }
}

/// Compares one step of the engine with the interpreter: loss, gradients, updated variables.
fn check_engine(
    network: &Network,
    spec: &TrainingSpec,
    given: &Values,
    raw: &Graph,
    expected: &Interpreter,
    device: Arc<dyn Device>,
    place: &str,
) {
    let shape = raw.shape(raw.inputs[0]).clone();
    let mut training = Training::new(network.clone(), spec.clone(), &shape, 7, device).unwrap();
    training.set_variables(&as_variables(network, given)).unwrap();
    let input: Vec<f32> = given["input"].iter().map(|x| *x as f32).collect();
    let labels = networks::labels(shape[0], network.classes().unwrap());
    let before = training.allocated_bytes();
    let loss = training.step(&shape, &input, &labels, 0.1, 0).unwrap();
    assert_eq!(training.allocated_bytes(), before, "{place}");
    assert_eq!(
        training.peak_bytes(&shape).unwrap(),
        before,
        "{place}: the peak must equal the allocated memory"
    );
    close(&[f64::from(loss)], expected.output(0), 1e-5, &format!("{place}, loss"));
    let roles = [Role::Gradient, Role::Parameter, Role::Buffer, Role::State];
    let got: HashMap<String, Vec<f64>> = training
        .variables(&roles)
        .unwrap()
        .into_iter()
        .map(|(name, (_, values))| (name, values.into_iter().map(f64::from).collect()))
        .collect();
    for role in roles {
        for (_, value) in raw.variables(role) {
            let place = format!("{place}, {}", value.name);
            close(&got[&value.name], expected.get(&value.name), 2e-4, &place);
        }
    }
}

/// Batches of another size, such as a short last batch, run on a separate plan with the same variables.
#[test]
fn batches_of_other_sizes_share_the_variables() {
    let sgd = Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
    for network in networks::all() {
        let shape = |n: usize| network.input_shape(n);
        let classes = network.classes().unwrap();
        let run = |device: &Arc<dyn Device>, first: usize, sizes: [usize; 4]| {
            let (spec, device) = (TrainingSpec::new(sgd), device.clone());
            let mut training = Training::new(network.clone(), spec, &shape(first), 1, device).unwrap();
            for (step, n) in sizes.into_iter().enumerate() {
                let images: Vec<f32> = networks::images(&network, n).iter().map(|x| *x as f32).collect();
                training.step(&shape(n), &images, &networks::labels(n, classes), 0.05, step as u64).unwrap();
            }
            training.variables(&[Role::Parameter, Role::Buffer, Role::State]).unwrap()
        };
        let own: [Arc<dyn Device>; 2] =
            [Cpu::with_isa(2, Isa::available()[0]).into(), Reference::default().into()];
        let devices: Vec<Arc<dyn Device>> =
            own.into_iter().chain(gpus().into_iter().map(|(_, gpu)| gpu).take(1)).collect();
        for (device, sizes) in
            devices.iter().flat_map(|device| [(device, [4, 2, 5, 2]), (device, [16, 3, 16, 8])])
        {
            let place = format!("{} on {}", network.name, device.name());
            assert_eq!(run(device, sizes[0], sizes), run(device, sizes[1], sizes), "{place}");
        }
    }
}

/// Signals use the kernels for maps with one row in all directions, and need the same memory.
#[test]
fn signals_use_the_kernels_for_maps() {
    let body = |x: Tensor<'_>| {
        let (sizes, pad) = (|size| PerAxis::from((1, size)), |side| Padding::from((0, side)));
        let x = x.conv(40, sizes(9)).pad(pad(4)).no_bias().batch_norm().relu().max_pool(sizes(3), sizes(2));
        let x = x.conv(40, sizes(3)).groups(40).stride(sizes(2)).pad(pad(1)).relu().conv(24, sizes(1)).relu();
        x.average_pool(sizes(2), sizes(2)).global_average_pool().flatten().linear(4).finish().unwrap()
    };
    let as_signal = Builder::new("signal", [20, 1000]);
    let signal = body(as_signal.input());
    let as_map = Builder::new("map", [20, 1, 1000]);
    let map = body(as_map.input());
    let spec = TrainingSpec::new(Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 });
    for isa in Isa::available() {
        let plans = |network: &Network| {
            let cpu = Cpu::with_isa(1, isa);
            let training = training_graph(&networks::training_form(network, 2), &spec).unwrap();
            [Inference::plan(network, &network.input_shape(2), &cpu).unwrap(), cpu.plan(training).unwrap()]
                .map(|plan| {
                    (
                        plan.steps.iter().map(|step| step.algorithm.clone()).collect::<Vec<_>>(),
                        plan.peak_bytes,
                    )
                })
        };
        let (of_signal, of_map) = (plans(&signal), plans(&map));
        assert_eq!(of_signal, of_map, "{isa}");
        assert!(of_signal[0].0.iter().any(|name| name.starts_with("conv") && !name.contains("reference")));
    }
}

#[test]
fn first_non_finite_step_is_found_on_every_device() {
    let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
    let network = networks::all().remove(0);
    let shape = network.input_shape(2);
    let mut images: Vec<f32> = networks::images(&network, 2).iter().map(|x| *x as f32).collect();
    let labels = networks::labels(2, network.classes().unwrap());
    for (name, device) in devices() {
        let mut training = Training::new(network.clone(), TrainingSpec::new(sgd), &shape, 1, device).unwrap();
        images[7] = 0.5;
        training.accumulate(&shape, &images, &labels, 0, None).unwrap();
        assert!(training.is_finite(&shape).unwrap(), "{name}");
        assert_eq!(training.first_non_finite(&shape, &images, &labels).unwrap(), None, "{name}");
        images[7] = f32::NAN;
        training.accumulate(&shape, &images, &labels, 0, None).unwrap();
        assert!(!training.is_finite(&shape).unwrap(), "{name}");
        let place = training.first_non_finite(&shape, &images, &labels).unwrap().unwrap();
        assert!(place.contains("conv") || place.contains("input"), "{name}: {place}");
    }
}
