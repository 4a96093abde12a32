//! LeNet-5 against PyTorch: scores, loss, gradients, and 20 steps of three optimizers, on every
//! instruction set. The expected values come from `scripts/reference/lenet5_pytorch.py`.

use serde_json::Value;
use striate_engine::{Cpu, Inference, Isa, Training};
use striate_graph::{Network, Optimizer, Role, TrainingSpec};
use striate_tensor::Shape;
use striate_testkit::fingerprint::{assert_close, assert_fingerprint};
use striate_testkit::lenet::{batch, variables, wide};

fn reference() -> Value {
    serde_json::from_str(include_str!("../references/lenet5.json")).unwrap()
}

fn network() -> Network {
    (striate_models::find("lenet5").unwrap().build)().unwrap()
}

#[test]
fn scores_loss_and_gradients_match_pytorch() {
    let reference = reference();
    for isa in Isa::available() {
        let (shape, images, labels) = batch(0, 4);
        let inference = Inference::new(network(), &variables(&network()), Cpu::with_isa(2, isa)).unwrap();
        let (_, scores) = inference.run(&shape, &images).unwrap();
        let rows = reference["scores"].as_array().unwrap();
        let expected = rows.iter().flat_map(|row| row.as_array().unwrap());
        for (i, (got, expected)) in scores.iter().zip(expected).enumerate() {
            assert_close(f64::from(*got), expected, 1e-5, &format!("score {i} on {isa}"));
        }
        let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 };
        let cpu = Cpu::with_isa(2, isa);
        let mut training = Training::new(network(), TrainingSpec::new(sgd), &shape, 0, cpu).unwrap();
        training.set_variables(&variables(&network())).unwrap();
        training.accumulate(&shape, &images, &labels, 0, None).unwrap();
        assert_close(f64::from(training.loss(&shape)), &reference["loss"], 1e-5, "loss");
        for (name, (_, gradient)) in training.variables(&[Role::Gradient]).unwrap() {
            let name = name.strip_prefix("gradient.").unwrap();
            let place = format!("gradient of {name} on {isa}");
            assert_fingerprint(&wide(&gradient), &reference["gradients"][name], 1e-5, &place);
        }
    }
}

#[test]
fn twenty_training_steps_match_pytorch() {
    let optimizers = [
        ("sgd", 0.05, Optimizer::Sgd { momentum: 0.0, nesterov: false, weight_decay: 0.0 }),
        ("nesterov", 0.02, Optimizer::Sgd { momentum: 0.9, nesterov: true, weight_decay: 5e-4 }),
        (
            "adam",
            0.002,
            Optimizer::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, decoupled: false },
        ),
    ];
    for isa in Isa::available() {
        for (name, rate, optimizer) in optimizers {
            let reference = &reference()["training"][name];
            let shape = Shape::from([8, 1, 32, 32]);
            let cpu = Cpu::with_isa(2, isa);
            let mut training =
                Training::new(network(), TrainingSpec::new(optimizer), &shape, 0, cpu).unwrap();
            training.set_variables(&variables(&network())).unwrap();
            for step in 0..20 {
                let (shape, images, labels) = batch(step, 8);
                let loss = training.step(&shape, &images, &labels, rate, step as u64).unwrap();
                let place = format!("{name} on {isa}, loss of step {step}");
                assert_close(f64::from(loss), &reference["losses"][step], 1e-5, &place);
            }
            for (variable, (_, values)) in training.variables(&[Role::Parameter]).unwrap() {
                let place = format!("{name} on {isa}, {variable}");
                assert_fingerprint(&wide(&values), &reference["weights"][&variable], 2e-4, &place);
            }
        }
    }
}
