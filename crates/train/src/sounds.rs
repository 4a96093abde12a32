//! What settings decide for data of sounds: the network, the augmentation, and what is fixed of the encoding.

use striate_data::{Medium, Spec};
use striate_tensor::encoding::{SoundEncoding, SoundForm};

use crate::recipe::{NONE, SOUNDS};
use crate::settings::{Origin, Settings};

/// The network for sounds, if none is named.
const NETWORK: &str = "panns-cnn6-quarter";

impl Settings {
    /// Chooses the network for sounds, unless one is named.
    #[must_use]
    pub fn with_model_for_data(mut self) -> Settings {
        if is_of_sounds(&self.recipe.data.spec) && self.origin("model.name") == Origin::Default {
            self.recipe.model.name = NETWORK.into();
            self.origins.insert("model.name".into(), Origin::Rule("the default for sounds".into()));
        }
        self
    }

    /// Fixes what the recipe says about sounds to the `encoding` of given weights, except what flags set.
    pub fn encode_as(&mut self, encoding: &SoundEncoding) {
        let data = &mut self.recipe.data;
        let origins = &self.origins;
        let is_open = |field: &str| !matches!(origins.get(field), Some(Origin::Flag(_)));
        let mut fields = vec![];
        if is_open("data.sample_rate") {
            data.sample_rate = Some(encoding.sample_rate);
            fields.push("data.sample_rate");
        }
        if is_open("data.seconds") {
            data.seconds = Some(encoding.seconds());
            fields.push("data.seconds");
        }
        if let SoundForm::LogMel(form) = &encoding.form
            && is_open("data.mels")
        {
            data.mels = Some(form.mels);
            fields.push("data.mels");
        }
        for field in fields {
            self.origins.insert(field.into(), Origin::Rule("as the given weights".into()));
        }
    }

    /// Augments sounds unless the recipe augments already.
    pub(crate) fn augment_sounds(&mut self, spec: &str) {
        if is_of_sounds(spec) && self.recipe.data.augment == NONE {
            self.recipe.data.augment = SOUNDS.into();
            self.origins.insert("data.augment".into(), Origin::Rule("for sounds".into()));
        }
    }
}

fn is_of_sounds(spec: &str) -> bool {
    Spec::parse(spec).is_ok_and(|spec| spec.medium() == Some(Medium::Sound))
}

#[cfg(test)]
mod tests {
    use striate_tensor::encoding::LogMel;

    use super::*;
    use crate::Recipe;

    fn settings(flags: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::from(Recipe::default());
        flags.iter().for_each(|(flag, assignment)| settings.set(flag, assignment).unwrap());
        settings.with_model_for_data()
    }

    #[test]
    fn sounds_get_their_network_unless_one_is_named() {
        let chosen = |flags: &[(&str, &str)]| settings(flags).recipe.model.name;
        let sounds = ("--data", "data.spec='audio:set'");
        assert_eq!(chosen(&[]), "lenet5");
        assert_eq!(chosen(&[sounds]), NETWORK);
        assert_eq!(chosen(&[sounds, ("MODEL", "model.name='m5'")]), "m5");
        assert!(matches!(settings(&[sounds]).origin("model.name"), Origin::Rule(_)));
    }

    #[test]
    fn encoding_of_given_weights_yields_to_flags() {
        let form = SoundForm::LogMel(LogMel::for_speech(40, 8_000));
        let encoding = SoundEncoding { sample_rate: 8_000, samples: 4_000, form, mean: 0.0, std: 1.0 };
        let mut settings = settings(&[("--data", "data.spec='audio:set'"), ("--set", "data.seconds=2.0")]);
        settings.encode_as(&encoding);
        let data = &settings.recipe.data;
        assert_eq!((data.sample_rate, data.seconds, data.mels), (Some(8_000), Some(2.0), Some(40)));
        assert_eq!(settings.origin("data.seconds"), Origin::Flag("--set".into()));
        settings.recipe.check().unwrap();
        settings.recipe.data.spec = "digits".into();
        let error = settings.recipe.check().unwrap_err().to_string();
        assert!(error.contains("data.sample_rate applies to sounds"), "{error}");
    }
}
