//! How a network of the history sees pictures, as the preprocessing that a model file carries.

use striate_models::{Fixed, Model, Pictures, Size};
use striate_vision::{Filter, Preprocessing, Step};

/// The preprocessing with which the published weights of `model` were trained; `None` where it takes its
/// numbers from the training data.
pub fn published_preprocessing(model: &Model) -> Option<Preprocessing> {
    match model.preprocessing {
        Pictures::Fixed(fixed) => Some(preprocessing(&fixed)),
        Pictures::OfTheData(_) => None,
    }
}

fn preprocessing(fixed: &Fixed) -> Preprocessing {
    let filter = if fixed.bicubic { Filter::Bicubic } else { Filter::Bilinear };
    let crop = Step::CentreCrop { height: fixed.crop, width: fixed.crop };
    let steps = match fixed.size {
        Size::Shorter(size) => vec![Step::ResizeShorter { size, filter }, crop],
        Size::Square(side) => vec![Step::Resize { height: side, width: side, filter }, crop],
    };
    // ((black + v·(white − black)) − minus) / by, of values v in [0, 1].
    let [black, white] = fixed.range.ends();
    let span = white - black;
    Preprocessing {
        channels: 3,
        steps,
        mean: fixed.minus.map(|minus| (minus - black) / span).to_vec(),
        std: fixed.by.map(|by| by / span).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use striate_vision::Image;

    use super::*;

    /// The numbers that black, middle grey and white become, worked out by hand.
    #[test]
    fn grey_pictures_become_what_the_networks_want() {
        for (name, expected) in [
            ("resnet18", [-2.117_904, 0.074_065, 2.248_908]),
            ("inception-v4", [-1.0, 0.003_922, 1.0]),
            ("googlenet-2014", [-123.0, 5.0, 132.0]),
            ("efficientnet-lite0", [-127.0 / 128.0, 1.0 / 128.0, 1.0]),
        ] {
            let model = striate_models::find(name).unwrap();
            let form = published_preprocessing(&model).unwrap();
            form.check().unwrap();
            for (grey, expected) in [0, 128, 255].into_iter().zip(expected) {
                let (shape, values) = form.apply(&Image::filled(400, 300, [grey; 3]));
                let input = (model.build)().unwrap().input;
                assert_eq!(shape[..], input[..], "{name}");
                assert!((values[0] - expected).abs() < 1e-4, "{name}, {grey}: {} not {expected}", values[0]);
            }
        }
        assert!(published_preprocessing(&striate_models::find("lenet5").unwrap()).is_none());
    }
}
