//! Updates of variables.

use striate_graph::{Node, Op};

/// Computes `node` from its operands `r` into `w`, which holds the values before the update.
pub(super) fn step(node: &Node, r: &[&[f64]], w: &mut [Vec<f64>]) {
    match &node.op {
        Op::Sgd(op) => {
            let [decay, momentum] = [op.weight_decay, op.momentum].map(f64::from);
            for i in 0..r[0].len() {
                let g = r[0][i] + decay * w[0][i];
                let direction = match w.get_mut(1) {
                    None => g,
                    Some(velocity) => {
                        velocity[i] = momentum * velocity[i] + g;
                        if op.nesterov { g + momentum * velocity[i] } else { velocity[i] }
                    }
                };
                w[0][i] -= r[1][0] * direction;
            }
        }
        Op::Adam(op) => {
            let [beta1, beta2, decay] = [op.beta1, op.beta2, op.weight_decay].map(f64::from);
            let (rate, t) = (r[1][0], r[2][0] + 1.0);
            let [p, m, v] = w else { panic!("Adam writes three values") };
            for i in 0..p.len() {
                let g = if op.decoupled { r[0][i] } else { r[0][i] + decay * p[i] };
                if op.decoupled {
                    p[i] -= rate * decay * p[i];
                }
                m[i] = beta1 * m[i] + (1.0 - beta1) * g;
                v[i] = beta2 * v[i] + (1.0 - beta2) * g * g;
                let (mean, variance) = (m[i] / (1.0 - beta1.powf(t)), v[i] / (1.0 - beta2.powf(t)));
                p[i] -= rate * mean / (variance.sqrt() + f64::from(op.epsilon));
            }
        }
        Op::RmsProp(op) => {
            let [a, decay, momentum] = [op.decay, op.weight_decay, op.momentum].map(f64::from);
            for i in 0..r[0].len() {
                let g = r[0][i] + decay * w[0][i];
                w[1][i] = a * w[1][i] + (1.0 - a) * g * g;
                let scaled = g / (w[1][i].sqrt() + f64::from(op.epsilon));
                let direction = match w.get_mut(2) {
                    None => scaled,
                    Some(velocity) => {
                        velocity[i] = momentum * velocity[i] + scaled;
                        velocity[i]
                    }
                };
                w[0][i] -= r[1][0] * direction;
            }
        }
        Op::Lars(op) => {
            let [decay, momentum, trust] = [op.weight_decay, op.momentum, op.trust].map(f64::from);
            let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
            let (of_p, of_g) = (norm(&w[0]), norm(r[0]));
            let ratio = match of_p * of_g {
                0.0 => 1.0,
                _ => trust * of_p / (of_g + decay * of_p + 1e-8),
            };
            for i in 0..r[0].len() {
                let g = ratio * (r[0][i] + decay * w[0][i]);
                let direction = match w.get_mut(1) {
                    None => g,
                    Some(velocity) => {
                        velocity[i] = momentum * velocity[i] + g;
                        if op.nesterov { g + momentum * velocity[i] } else { velocity[i] }
                    }
                };
                w[0][i] -= r[1][0] * direction;
            }
        }
        Op::Average(_) => {
            let (keep, share) = (r[1][0], r[2][0]);
            w[0].iter_mut().zip(r[0]).for_each(|(average, x)| *average = keep * *average + share * x);
        }
        Op::ClipNorm(op) => {
            let (norm, gradients) = w.split_last_mut().expect("clipping writes the norm last");
            norm[0] = gradients.iter().flatten().map(|g| g * g).sum::<f64>().sqrt();
            let scale = (f64::from(op.max_norm) / norm[0]).min(1.0);
            gradients.iter_mut().flatten().for_each(|g| *g *= scale);
        }
        other => unreachable!("{} is computed elsewhere", other.name()),
    }
}
