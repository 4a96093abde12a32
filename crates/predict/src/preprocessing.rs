//! How a network sees pictures: the preprocessing that a model file carries, held against the network; and that of
//! the networks of the history.

use serde_json::Value;
use striate_graph::Network;
use striate_models::{Fixed, Model, Pictures, Size};
use striate_tensor::{Error, Result, Shape};
use striate_vision::{Filter, Preprocessing, Step};

/// Refuses a preprocessing that is faulty, or whose results `network` with its weights does not take. Where their
/// size depends on the picture, only the channels are known.
///
/// # Errors
/// If it is so; the message says what is made and what is taken.
pub fn check_preprocessing(form: &Preprocessing, network: &Network) -> Result<()> {
    form.check()?;
    let made = form.output_shape();
    if made.is_some_and(|made| made[..] == network.input[..]) {
        return Ok(());
    }
    // Pictures lie channels-first whatever the network takes.
    let network = network.clone().channels_first();
    let ([channels, ..], pictures) = (network.image()?, form.channels);
    let why = match made {
        _ if pictures != channels => String::new(),
        None => return Ok(()),
        Some([c, h, w]) => match network.variables_for(&Shape::from([1, c, h, w])) {
            Ok(variables) if variables == network.variables()? => return Ok(()),
            Ok(_) => String::new(),
            Err(e) => format!(" ({e})"),
        },
    };
    let made = made.map_or(format!("[N, {pictures}, H, W]"), |[c, h, w]| format!("[N, {c}, {h}, {w}]"));
    let (name, wanted) = (&network.name, network.input_form());
    Err(Error::input(format!(
        "the preprocessing makes {made}, but {name} takes {wanted}{why}; give a preprocessing of that shape"
    )))
}

/// The preprocessing that a model file carries as `value`, held against its `network`; `None` if it is null.
///
/// # Errors
/// If it cannot be read, or is refused by [`check_preprocessing`].
pub fn read_preprocessing(value: &Value, network: &Network) -> Result<Option<Preprocessing>> {
    let form: Option<Preprocessing> = serde_json::from_value(value.clone())
        .map_err(|e| Error::input(format!("the model's preprocessing is unreadable: {e}")))?;
    form.iter().try_for_each(|form| check_preprocessing(form, network))?;
    Ok(form)
}

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
    let crop = Step::CenterCrop { height: fixed.crop, width: fixed.crop };
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

    /// What a network reads channels-last, and turns at once, is held against pictures that lie channels-first.
    #[test]
    fn preprocessing_is_held_against_what_the_network_reads() {
        let open = "name = 'n'\ninput = [6, 8, 3]\nlayers = [{ op = 'transpose', permutation = [0, 3, 1, 2] }, \
                    { op = 'conv', out_channels = 2, kernel_size = 3 }, { op = 'global_average_pool' }, { op = 'flatten' }]";
        let open = Network::from_text(open).unwrap();
        let form = |channels: usize, height, width| Preprocessing {
            channels,
            steps: vec![Step::CenterCrop { height, width }],
            mean: vec![0.0; channels],
            std: vec![1.0; channels],
        };
        // Any size fits but one below the kernel's.
        for (height, width) in [(6, 8), (3, 3)] {
            check_preprocessing(&form(3, height, width), &open).unwrap();
        }
        let line = |form| check_preprocessing(&form, &open).unwrap_err().to_string();
        assert!(line(form(3, 2, 9)).contains("makes [N, 3, 2, 9], but n takes [N, 3, 6, 8] (network n"));
        assert!(line(form(1, 6, 8)).contains("makes [N, 1, 6, 8], but n takes [N, 3, 6, 8]"));
        assert!(
            line(Preprocessing { std: vec![], ..form(3, 6, 8) }).contains("as many numbers in mean and std")
        );
    }

    /// The numbers that black, middle gray and white become, worked out by hand.
    #[test]
    fn gray_pictures_become_what_the_networks_want() {
        for (name, expected) in [
            ("resnet18", [-2.117_904, 0.074_065, 2.248_908]),
            ("inception-v4", [-1.0, 0.003_922, 1.0]),
            ("googlenet-2014", [-123.0, 5.0, 132.0]),
            ("resnet50-v1", [-123.0, 5.0, 132.0]),
            ("vgg16-c", [-123.68, 4.32, 131.32]),
            ("efficientnet-lite0", [-127.0 / 128.0, 1.0 / 128.0, 1.0]),
        ] {
            let model = striate_models::find(name).unwrap();
            let form = published_preprocessing(&model).unwrap();
            form.check().unwrap();
            for (gray, expected) in [0, 128, 255].into_iter().zip(expected) {
                let (shape, values) = form.apply(&Image::filled(400, 300, [gray; 3]));
                let input = (model.build)().unwrap().input;
                assert_eq!(shape[..], input[..], "{name}");
                assert!((values[0] - expected).abs() < 1e-4, "{name}, {gray}: {} not {expected}", values[0]);
            }
        }
        assert!(published_preprocessing(&striate_models::find("lenet5").unwrap()).is_none());
    }
}
