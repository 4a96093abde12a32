//! Updates of variables, by definition.

use super::{AdamDesc, ClipNormDesc, LarsDesc, RmsPropDesc, SgdDesc};
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

/// g += decay·p; s = a·s + (1 − a)·g²; d = g/(√s + ε); v = momentum·v + d; p −= rate·v, or rate·d without momentum.
pub fn rms_prop<T: Real>(
    d: &RmsPropDesc,
    g: &[T],
    rate: T,
    p: &mut [T],
    s: &mut [T],
    mut v: Option<&mut [T]>,
) {
    let f = |value: f32| T::from_f64(f64::from(value));
    let rest = T::from_f64(1.0 - f64::from(d.decay));
    for i in 0..p.len() {
        let g = g[i] + f(d.weight_decay) * p[i];
        s[i] = f(d.decay) * s[i] + rest * g * g;
        let mut step = g / (s[i].sqrt() + f(d.epsilon));
        if let Some(v) = &mut v {
            v[i] = f(d.momentum) * v[i] + step;
            step = v[i];
        }
        p[i] = p[i] - rate * step;
    }
}

/// Added to the denominator of the trust ratio.
const LARS_EPSILON: f64 = 1e-8;

/// trust·‖p‖/(‖g‖ + decay·‖p‖), or 1 if a norm is zero.
pub fn trust_ratio(d: &LarsDesc, parameter_norm: f64, gradient_norm: f64) -> f64 {
    if parameter_norm == 0.0 || gradient_norm == 0.0 {
        return 1.0;
    }
    let decay = f64::from(d.weight_decay) * parameter_norm;
    f64::from(d.trust) * parameter_norm / (gradient_norm + decay + LARS_EPSILON)
}

/// One step of LARS.
pub fn lars<T: Real>(d: &LarsDesc, g: &[T], rate: T, p: &mut [T], v: Option<&mut [T]>) {
    let norm = |x: &[T]| x.iter().map(|x| x.to_f64() * x.to_f64()).sum::<f64>().sqrt();
    let ratio = T::from_f64(trust_ratio(d, norm(p), norm(g)));
    lars_step(d, ratio, g, rate, p, v);
}

/// g = ratio·(g + decay·p); v = momentum·v + g; p −= rate·(nesterov ? g + momentum·v : v).
pub(super) fn lars_step<T: Real>(
    d: &LarsDesc,
    ratio: T,
    g: &[T],
    rate: T,
    p: &mut [T],
    mut v: Option<&mut [T]>,
) {
    let (momentum, decay) = (T::from_f64(f64::from(d.momentum)), T::from_f64(f64::from(d.weight_decay)));
    for i in 0..p.len() {
        let g = ratio * (g[i] + decay * p[i]);
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

/// average = keep·average + share·x.
pub fn average<T: Real>(x: &[T], keep: T, share: T, average: &mut [T]) {
    for (average, x) in average.iter_mut().zip(x) {
        *average = keep * *average + share * *x;
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
