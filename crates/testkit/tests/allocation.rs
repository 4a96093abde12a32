//! Running a plan allocates nothing, also if inputs of several shapes alternate.

use striate_engine::{Cpu, Inference, Isa, Training};
use striate_graph::{Optimizer, TrainingSpec};
use striate_testkit::{allocation, networks};

#[global_allocator]
static ALLOCATOR: allocation::Counting = allocation::Counting;

// The only test in this binary, because allocations of others running in parallel would be counted too.
#[test]
fn runs_allocate_nothing() {
    for network in networks::all() {
        for isa in Isa::available() {
            let (shape, single) = (network.input_shape(2), network.input_shape(1));
            let input: Vec<f32> = networks::images(&network, 2).iter().map(|x| *x as f32).collect();
            let classes = network.classes().unwrap();
            let labels = networks::labels(2, classes);
            let weights = Inference::initial_weights(&network, 0).unwrap();
            let cpu = Cpu::with_isa(2, isa);
            let inference = Inference::new(network.clone(), &weights, cpu.clone()).unwrap();
            let mut output = vec![0.0; 2 * classes];
            let sgd = Optimizer::Sgd { momentum: 0.9, nesterov: false, weight_decay: 0.0 };
            let mut training =
                Training::new(network.clone(), TrainingSpec::new(sgd), &shape, 0, cpu).unwrap();
            let mut run = |step: u64| {
                inference.run_into(&shape, &input, &mut output).unwrap();
                inference.run_into(&single, &input[..single.numel()], &mut output[..classes]).unwrap();
                training.step(&shape, &input, &labels, 0.01, step).unwrap();
            };
            run(0);
            run(1);
            // A worker that was just created may still be initializing.
            std::thread::sleep(std::time::Duration::from_millis(20));
            let before = allocation::count();
            (2..12).for_each(&mut run);
            assert_eq!(allocation::count(), before, "{} on {isa}", network.name);
        }
    }
}
