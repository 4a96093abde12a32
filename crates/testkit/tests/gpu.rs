//! The GPU's kernels on a machine without a GPU: compiled to machine code, and run by the emulator in built-in
//! networks.
//!
//! `stages.rs` checks every operation against the interpreter. Here, networks agree with the CPU: a few at reduced
//! sizes, or all or the named ones with `STRIATE_NETWORKS` (`scripts/gpu-emulated.sh`).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use striate_engine::passes::{self, Disabled, FUSION, run_neutral};
use striate_engine::{Cpu, Device, Inference, Isa, Precision, Training, Variables};
use striate_gpu::cuda::cudnn::{self, Target};
use striate_gpu::cuda::{self, Library};
use striate_gpu::{Convolution, Direction, Epilogue, FILES, Gpu, Order};
use striate_graph::{Builder, Network, Op, Optimizer, Role, TrainingSpec};
use striate_tensor::Shape;
use striate_tensor::random::{Random, Stream};
use striate_testkit::{Emulator, missing_data, skipped};

/// Ampere, Hopper and Blackwell.
const ARCHITECTURES: [&str; 3] = ["sm_80", "sm_90", "sm_100"];

#[test]
fn kernels_compile_to_machine_code() {
    if Library::Nvrtc.open().is_none() {
        return skipped("kernels_compile_to_machine_code", "NVRTC (first: scripts/fetch-gpu-libraries.sh)");
    }
    for (file, text) in FILES {
        for architecture in ARCHITECTURES {
            let code = cuda::compile(file, text, architecture).unwrap();
            assert!(code.starts_with(b"\x7fELF"), "{file} for {architecture}");
        }
    }
}

/// An H100 SXM in cuDNN's form.
const H100: &str = r#"{"maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],"regsPerBlock":65536,
"multiProcessorCount":132,"smCountOrigin":0,"warpSize":32,"maxSharedMemoryPerBlock":49152,
"maxSharedMemoryPerBlockOptin":232448,"oversizedSharedMemoryPerBlock":0,"reservedSharedMemoryPerBlock":1024,
"maxRegistersPerSM":65536,"maxCtasPerSM":32,"maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,"pciDeviceId":9008,
"isTccDriver":0,"supportCoopLaunch":1,"totalGlobalMem":85045149696,"smClockRateKHz":1980000,"memClockRateKHz":2619000,
"l2CacheSize":52428800,"cudaDeviceId":0,"deviceVer":900,"driverVer":13000,"deviceName":"NVIDIA H100 80GB HBM3"}"#;

/// The convolutions and linear layers of a network in all directions, at its own size.
fn convolutions(network: &Network, batch: usize) -> Vec<Convolution> {
    let graph = network.graph(batch).unwrap();
    let all = graph.nodes.iter().filter_map(|node| {
        let (x, y) = (graph.shape(node.inputs[0]), graph.shape(node.outputs[0]));
        match &node.op {
            Op::Conv(conv) => Some(Direction::ALL.map(|d| Convolution::new(d, conv, x, y))),
            Op::Linear(_) => Some(Direction::ALL.map(|d| Convolution::linear(d, x[0], [x[1], y[1]]))),
            _ => None,
        }
    });
    all.flatten().collect()
}

/// The convolution as a device computes it with a precision: with channels last on matrix units, and then with padded
/// images.
fn with_precision(convolution: &Convolution, precision: Precision) -> Convolution {
    let mut convolution = Convolution { precision, ..*convolution };
    let is_image = convolution.channels[0] < 4;
    convolution.order = if precision == Precision::F32 { Order::Plain } else { Order::ChannelsLast };
    match precision {
        Precision::Tf32 if is_image => convolution.channels[0] = 4,
        Precision::Bf16 if is_image => convolution.channels[0] = 8,
        _ => {}
    }
    convolution
}

/// cuDNN plans convolutions for a GPU that it only has a description of, with deterministic engines.
#[test]
fn cudnn_plans_the_convolutions_of_every_network() {
    if cudnn::version().is_err() {
        let what = "cuDNN (first: scripts/fetch-gpu-libraries.sh --with-cudnn)";
        return skipped("cudnn_plans_the_convolutions_of_every_network", what);
    }
    let target = Target::described(H100).unwrap();
    let networks = striate_models::all().iter().map(|model| (model.build)().unwrap());
    let all: HashSet<Convolution> = networks.flat_map(|network| convolutions(&network, 16)).collect();
    for precision in [Precision::F32, Precision::Tf32, Precision::Bf16] {
        let of_precision = all.iter().map(|convolution| with_precision(convolution, precision));
        let own: Vec<_> = of_precision.filter(|c| target.plan(c).is_none()).collect();
        let (planned, version) = (all.len() - own.len(), cudnn::version().unwrap());
        println!("cuDNN {version} plans {planned} of {} convolutions in {precision}", all.len());
        own.iter().for_each(|convolution| println!("own kernel: {convolution:?}"));
        assert!(own.is_empty(), "cuDNN has no engine for {} convolutions in {precision}", own.len());
    }
}

/// The convolutions of a network in inference, with what follows them.
fn fused_convolutions(network: &Network, batch: usize) -> Vec<Convolution> {
    let mut graph = network.graph(batch).unwrap();
    run_neutral(&mut graph, &Disabled::none());
    passes::run(FUSION, &mut graph, &Disabled::none());
    let all = graph.nodes.iter().filter_map(|node| {
        let Op::Conv(conv) = &node.op else { return None };
        let (x, y) = (graph.shape(node.inputs[0]), graph.shape(node.outputs[0]));
        let epilogue = Epilogue { bias: conv.bias, residual: conv.residual, activation: conv.activation };
        Some(Convolution { epilogue, ..Convolution::new(Direction::Forward, conv, x, y) })
    });
    all.filter(|convolution| convolution.epilogue != Epilogue::default()).collect()
}

/// cuDNN plans convolutions with bias, addition and activation as one kernel, which needs NVIDIA's driver, though no
/// GPU.
#[test]
fn cudnn_plans_fused_convolutions() {
    if cudnn::version().is_err() || Library::Driver.open().is_none() {
        return skipped("cudnn_plans_fused_convolutions", "cuDNN and NVIDIA's driver");
    }
    let target = Target::described(H100).unwrap();
    for name in ["resnet50", "alexnet"] {
        let network = (striate_models::find(name).unwrap().build)().unwrap();
        let all: HashSet<Convolution> = fused_convolutions(&network, 16).into_iter().collect();
        for precision in [Precision::Tf32, Precision::Bf16] {
            let fused = all.iter().map(|convolution| with_precision(convolution, precision));
            let planned = fused.filter(|convolution| target.plan(convolution).is_some()).count();
            println!("cuDNN plans {planned} of {} fused convolutions of {name} in {precision}", all.len());
            assert!(planned > 0, "cuDNN has no engine for any of the fused convolutions of {name}");
        }
    }
}

/// A device that the driver does not have is refused in one line, and never panics.
#[test]
fn missing_gpus_are_errors_of_input() {
    if cuda::gpus().is_ok() {
        return skipped("missing_gpus_are_errors_of_input", "a machine without a GPU");
    }
    for error in [cuda::gpus().unwrap_err(), cuda::Cuda::open(0).err().unwrap()] {
        assert!(error.is_input() && error.to_string().contains("--device cpu"), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
}

const BATCH: usize = 2;
const CLASSES: usize = 10;
const SGD: Optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 1e-4 };
/// Networks of all kinds of layers that the emulator runs in seconds.
const QUICK: [&str; 4] = ["lenet5", "lenet5-1998", "resnet20", "squeezenet1_1"];

/// The emulator; or the real GPU, which must be there, with `STRIATE_GPU` (`scripts/gpu-check.sh`).
fn gpus(test: &str) -> Vec<Gpu> {
    if std::env::var_os("STRIATE_GPU").is_some() {
        return vec![Gpu::new(Arc::new(cuda::Cuda::open(0).unwrap()))];
    }
    match Emulator::get() {
        Some([emulator, _]) => vec![Gpu::new(emulator)],
        None => {
            missing_data(test, "no C++ compiler");
            Vec::new()
        }
    }
}

/// The network with few classes and small images, without dropout.
fn reduced(name: &str) -> Network {
    let mut network = (striate_models::find(name).unwrap().build)().unwrap();
    for layer in &mut network.layers {
        match &mut layer.op {
            Op::Linear(linear) if linear.out_features == 4096 => linear.out_features = 64,
            _ => {}
        }
    }
    network.set_classes(CLASSES).unwrap();
    let side = match name {
        "inception-v3" => 299, // Its auxiliary head needs maps of 17×17.
        "googlenet" | "googlenet-2014" => 128,
        _ if name.starts_with("inception") => 107,
        "alexnet-2012" | "nin" => 99,
        _ => 64,
    };
    if network.input[1] > side {
        network.input = Shape::from([network.input[0], side, side]);
    }
    network
}

fn batch(network: &Network) -> (Shape, Vec<f32>, Vec<i64>) {
    let shape = network.input_shape(BATCH);
    let mut random = Random::new(0, Stream::Other, 1);
    let values = (0..shape.numel()).map(|_| random.normal()).collect();
    (shape, values, (0..BATCH as i64).collect())
}

fn training(network: &Network, device: Arc<dyn Device>) -> Training {
    Training::new(network.clone(), TrainingSpec::new(SGD), &network.input_shape(BATCH), 1, device).unwrap()
}

/// The largest difference, relative to the norm of the expected values.
fn difference(got: &[f32], expected: &[f32]) -> f64 {
    let square = |x: f32| f64::from(x) * f64::from(x);
    let norm = expected.iter().map(|x| square(*x)).sum::<f64>().sqrt();
    let distance = got.iter().zip(expected).map(|(a, b)| square(a - b)).sum::<f64>().sqrt();
    distance / norm.max(1e-6)
}

/// Scores, and loss and gradients of a step, on a device.
struct Results {
    scores: Vec<f32>,
    loss: f32,
    gradients: Vec<f32>,
}

fn results(network: &Network, device: Arc<dyn Device>) -> Results {
    let (shape, images, labels) = batch(network);
    let mut training = training(network, device.clone());
    let weights = training.variables(&[Role::Parameter, Role::Buffer]).unwrap();
    let inference = Inference::new(network.clone(), &weights, device).unwrap();
    let scores = inference.run(&shape, &images).unwrap().1;
    training.accumulate(&shape, &images, &labels, 0, None).unwrap();
    let gradients = training.variables(&[Role::Gradient]).unwrap();
    let gradients = gradients.into_values().flat_map(|(_, values)| values).collect();
    Results { scores, loss: training.loss(&shape), gradients }
}

/// Compares scores, loss and gradients with those of the CPU. Batch norms of few pixels amplify rounding errors, so
/// that the differences between two instruction sets of the CPU tell what can be expected.
fn compare(network: &Network, gpu: &Gpu) {
    let isas = [Isa::available()[0], Isa::Scalar].map(|isa| Cpu::with_isa(2, isa));
    let [expected, other] = isas.map(|cpu| results(network, cpu.into()));
    let got = results(network, gpu.clone().into());
    let name = &network.name;
    let loss = (got.loss - expected.loss).abs();
    let scores = difference(&got.scores, &expected.scores);
    let [gradients, usual] = [&got, &other].map(|one| difference(&one.gradients, &expected.gradients));
    println!("| `{name}` | {scores:.1e} | {gradients:.1e} | {usual:.1e} |");
    assert!(loss <= 1e-4 * expected.loss.abs().max(1.0), "{name}: loss {}, CPU {}", got.loss, expected.loss);
    assert!(scores < 1e-4, "{name}: scores differ by {scores}");
    let most = (10.0 * usual).max(1e-5);
    assert!(gradients < most, "{name}: gradients differ by {gradients}, those of the CPU by {usual}");
}

#[test]
fn networks_agree_with_the_cpu() {
    let gpus = gpus("networks_agree_with_the_cpu");
    let wanted = std::env::var("STRIATE_NETWORKS").unwrap_or_default();
    let names: Vec<&str> = match wanted.as_str() {
        "" => QUICK.to_vec(),
        "all" => striate_models::all().iter().map(|model| model.name).collect(),
        names => names.split(',').collect(),
    };
    for (name, gpu) in names.iter().flat_map(|name| gpus.iter().map(move |gpu| (*name, gpu))) {
        let start = Instant::now();
        compare(&reduced(name), gpu);
        println!("{name:<20} {:.1} s on {}", start.elapsed().as_secs_f64(), gpu.name());
    }
}

#[test]
fn bits_are_the_same_twice_and_after_resuming() {
    for gpu in gpus("bits_are_the_same_twice_and_after_resuming") {
        check_bits(&gpu);
    }
}

fn check_bits(gpu: &Gpu) {
    let network = reduced("resnet20");
    let (shape, images, labels) = batch(&network);
    let step = |training: &mut Training, step: u64| -> Variables {
        training.step(&shape, &images, &labels, 0.01, step).unwrap();
        training.variables(&[Role::Parameter, Role::Buffer, Role::State]).unwrap()
    };
    let mut first = training(&network, gpu.clone().into());
    let checkpoint = step(&mut first, 0);
    let end = step(&mut first, 1);
    let mut second = training(&network, gpu.clone().into());
    assert!(step(&mut second, 0) == checkpoint, "another run has other bits");
    let mut resumed = training(&network, gpu.clone().into());
    resumed.set_variables(&checkpoint).unwrap();
    assert!(step(&mut resumed, 1) == end, "a resumed run has other bits");
}

/// The error about a batch that does not fit names the largest one that does.
#[test]
fn batch_that_does_not_fit_is_refused_before_the_first_step() {
    let Some(emulator) = Emulator::with_memory(8 << 20) else { return };
    let (network, gpu) = (reduced("resnet20"), Gpu::new(emulator));
    let start = |batch: usize| {
        let shape = network.input_shape(batch);
        Training::new(network.clone(), TrainingSpec::new(SGD), &shape, 1, gpu.clone()).err()
    };
    let error = start(64).unwrap();
    let text = error.to_string();
    assert!(
        error.is_input() && text.contains("on gpu emulated, and 8 MiB are free; use a batch of"),
        "{text}"
    );
    let largest: usize = text.rsplit(' ').next().unwrap().parse().unwrap();
    assert!((1..64).contains(&largest), "{text}");
    assert!(start(largest).is_none() && start(largest + 1).is_some(), "{text}");
}

/// The input of a network stays `f32` where everything else is `bf16`, also as the operand of an addition.
#[test]
fn operands_of_other_types_are_added() {
    let Some(emulators) = Emulator::get() else { return };
    let builder = Builder::new("added", [4, 8, 8]);
    let x = builder.input();
    let sum = (x.conv(4, 3).pad(1) + x).relu();
    let network = sum.conv(6, 3).global_average_pool().flatten().linear(3).finish().unwrap();
    let (shape, images, _) = batch(&network);
    let cpu: Arc<dyn Device> = Cpu::new(1).unwrap().into();
    let weights = training(&network, cpu.clone()).variables(&[Role::Parameter, Role::Buffer]).unwrap();
    let scores = |device: Arc<dyn Device>| {
        Inference::new(network.clone(), &weights, device).unwrap().run(&shape, &images).unwrap().1
    };
    let expected = scores(cpu);
    for emulator in emulators {
        let got = scores(Gpu::new(emulator).with_precision(Precision::Bf16).into());
        let difference = difference(&got, &expected);
        assert!(difference < 2e-2, "scores differ by {difference}");
    }
}

/// With activations in `bf16`, each number has 8 significant bits.
#[test]
fn bf16_stays_close_to_f32() {
    let gpus = match (std::env::var_os("STRIATE_GPU"), Emulator::get()) {
        (Some(_), _) => gpus("bf16_stays_close_to_f32"),
        (None, Some(emulators)) => emulators.map(|emulator| Gpu::new(emulator)).to_vec(),
        (None, None) => return missing_data("bf16_stays_close_to_f32", "no C++ compiler"),
    };
    for (gpu, name) in gpus.iter().cycle().zip(["lenet5", "resnet20"]) {
        let gpu = gpu.clone().with_precision(Precision::Bf16);
        let network = reduced(name);
        let (shape, images, labels) = batch(&network);
        let (cpu, gpu): (Arc<dyn Device>, Arc<dyn Device>) = (Cpu::new(2).unwrap().into(), gpu.into());
        let mut both = [&cpu, &gpu].map(|device| training(&network, device.clone()));
        let weights = both[0].variables(&[Role::Parameter, Role::Buffer]).unwrap();
        let scores = [&cpu, &gpu].map(|device| {
            let inference = Inference::new(network.clone(), &weights, device.clone()).unwrap();
            inference.run(&shape, &images).unwrap().1
        });
        let of_scores = difference(&scores[1], &scores[0]);
        let losses = both.each_mut().map(|training| {
            let step = |step| training.step(&shape, &images, &labels, 0.01, step).unwrap();
            (0..3).map(step).collect::<Vec<f32>>()
        });
        println!("{name:<20} scores {of_scores:.1e}, losses {:?}", losses);
        assert!(of_scores < 3e-2, "{name}: scores differ by {of_scores}");
        for (expected, loss) in losses[0].iter().zip(&losses[1]) {
            assert!((loss - expected).abs() < 0.05 * expected.max(0.2), "{name}: {losses:?}");
        }
    }
}
