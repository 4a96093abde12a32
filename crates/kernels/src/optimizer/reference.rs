//! Updates of variables, by definition.

use super::{AdamDesc, ClipNormDesc, SgdDesc};
use crate::reference::Real;

/// g += decay·p; v = momentum·v + g; p −= rate·(nesterov ? g + momentum·v : v).
pub fn sgd<T: Real>(d: &SgdDesc, g: &[T], rate: T, p: &mut [T], mut v: Option<&mut [T]>) {
    let (momentum, decay) = (T::from_f64(f64::from(d.momentum)), T::from_f64(f64::from(d.weight_decay)));
    for i in 0..p.len() {
        let g = g[i] + decay * p[i];
        let step = match &mut v {
            None => g,
            Some(v) => {
                v[i] = momentum * v[i] + g;
                if d.nesterov { g + momentum * v[i] } else { v[i] }
            }
        };
        p[i] = p[i] - rate * step;
    }
}

/// Step number `step` (from 0) of Adam; `m` and `v` are the moments.
pub fn adam<T: Real>(d: &AdamDesc, g: &[T], rate: T, step: i64, p: &mut [T], m: &mut [T], v: &mut [T]) {
    let f = |value: f32| T::from_f64(f64::from(value));
    let one = T::from_f64(1.0);
    let t = (step + 1) as f64;
    let correction1 = T::from_f64(1.0 - f64::from(d.beta1).powf(t));
    let correction2 = T::from_f64((1.0 - f64::from(d.beta2).powf(t)).sqrt());
    for i in 0..p.len() {
        let mut g = g[i];
        if d.decoupled {
            p[i] = p[i] - rate * f(d.weight_decay) * p[i];
        } else {
            g += f(d.weight_decay) * p[i];
        }
        m[i] = f(d.beta1) * m[i] + (one - f(d.beta1)) * g;
        v[i] = f(d.beta2) * v[i] + (one - f(d.beta2)) * g * g;
        p[i] = p[i] - rate / correction1 * m[i] / (v[i].sqrt() / correction2 + f(d.epsilon));
    }
}

/// Multiplies `g` so that its norm is at most the largest, and returns its norm before.
pub fn clip_norm<T: Real>(d: &ClipNormDesc, g: &mut [T]) -> T {
    let squares = g.iter().map(|g| g.to_f64() * g.to_f64()).sum::<f64>();
    let (norm, largest) = (T::from_f64(squares.sqrt()), T::from_f64(f64::from(d.max_norm)));
    if norm > largest {
        let scale = largest / norm;
        g.iter_mut().for_each(|g| *g = *g * scale);
    }
    norm
}
