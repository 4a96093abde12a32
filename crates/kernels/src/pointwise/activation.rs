//! Activations that a kernel can apply to its result before storing it.

use crate::reference::Real;

/// An activation function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Activation {
    /// The identity.
    #[default]
    None,
    /// max(x, 0)
    Relu,
    /// min(max(x, 0), 6)
    Relu6,
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e^-x)
    Sigmoid,
    /// [`AMPLITUDE`]·tanh([`SLOPE`]·x)
    ScaledTanh,
}

/// The largest value of [`Activation::ScaledTanh`]: LeCun et al., 1998, appendix A.
pub const AMPLITUDE: f64 = 1.7159;
/// The factor inside the tanh of [`Activation::ScaledTanh`]; together with [`AMPLITUDE`] it maps ±1 to ±1.
pub const SLOPE: f64 = 2.0 / 3.0;

/// Bounds that do not clip anything.
pub const UNBOUNDED: (f32, f32) = (f32::NEG_INFINITY, f32::INFINITY);

impl Activation {
    /// The bounds that the activation clips to, if it does nothing else.
    pub fn clip(self) -> Option<(f32, f32)> {
        match self {
            Activation::None => Some(UNBOUNDED),
            Activation::Relu => Some((0.0, f32::INFINITY)),
            Activation::Relu6 => Some((0.0, 6.0)),
            Activation::Tanh | Activation::Sigmoid | Activation::ScaledTanh => None,
        }
    }

    /// Applies the function to one number, with the standard library.
    pub fn apply<T: Real>(self, x: T) -> T {
        let (zero, one, six) = (T::from_f64(0.0), T::from_f64(1.0), T::from_f64(6.0));
        match self {
            Activation::None => x,
            Activation::Relu => x.maximum(zero),
            Activation::Relu6 => x.maximum(zero).minimum(six),
            Activation::Tanh => x.tanh(),
            Activation::Sigmoid => one / (one + (zero - x).exp()),
            Activation::ScaledTanh => T::from_f64(AMPLITUDE) * (T::from_f64(SLOPE) * x).tanh(),
        }
    }

    /// The derivative at the point where the function's value is `y`.
    pub fn derivative<T: Real>(self, y: T) -> T {
        let (zero, one, six) = (T::from_f64(0.0), T::from_f64(1.0), T::from_f64(6.0));
        match self {
            Activation::None => one,
            Activation::Relu if y > zero => one,
            Activation::Relu6 if y > zero && y < six => one,
            Activation::Relu | Activation::Relu6 => zero,
            Activation::Tanh => one - y * y,
            Activation::Sigmoid => y * (one - y),
            Activation::ScaledTanh => {
                T::from_f64(AMPLITUDE * SLOPE) - T::from_f64(SLOPE / AMPLITUDE) * (y * y)
            }
        }
    }
}
