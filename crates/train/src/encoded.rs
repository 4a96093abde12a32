//! What settings decide for sounds and texts: the network, the augmentation, and what is fixed of the encoding.

use striate_data::Medium;
use striate_tensor::encoding::{Encoding, SoundForm};

use crate::recipe::{NONE, SOUNDS};
use crate::settings::{Origin, Settings};

/// The network for sounds, and that for texts, if none is named.
const FOR_SOUNDS: &str = "panns-cnn6-quarter";
const FOR_TEXTS: &str = "char-cnn-short";

impl Settings {
    /// Chooses the network for sounds or texts, unless one is named.
    #[must_use]
    pub fn with_model_for_data(mut self) -> Settings {
        let medium = Medium::of(&self.recipe.data.spec);
        let network = match medium {
            Medium::Image => return self,
            Medium::Sound => FOR_SOUNDS,
            Medium::Text => FOR_TEXTS,
        };
        if self.origin("model.name") == Origin::Default {
            self.recipe.model.name = network.into();
            let reason = format!("the default for {}s", medium.name());
            self.origins.insert("model.name".into(), Origin::Rule(reason));
        }
        self
    }

    /// Fixes what the recipe says about sounds or texts to the `encoding` of given weights, except what flags set.
    pub fn encode_as(&mut self, encoding: &Encoding) {
        let data = &mut self.recipe.data;
        let origins = &self.origins;
        let is_open = |field: &str| !matches!(origins.get(field), Some(Origin::Flag(_)));
        let mut fields = vec![];
        match encoding {
            Encoding::Sound(sound) => {
                if is_open("data.sample_rate") {
                    data.sample_rate = Some(sound.sample_rate);
                    fields.push("data.sample_rate");
                }
                if is_open("data.seconds") {
                    data.seconds = Some(sound.seconds());
                    fields.push("data.seconds");
                }
                if let SoundForm::LogMel(form) = &sound.form
                    && is_open("data.mels")
                {
                    data.mels = Some(form.mels);
                    fields.push("data.mels");
                }
            }
            Encoding::Text(text) => {
                if is_open("data.length") {
                    data.length = Some(text.length);
                    fields.push("data.length");
                }
                if is_open("data.alphabet") {
                    data.alphabet = Some(text.alphabet.clone());
                    fields.push("data.alphabet");
                }
            }
        }
        for field in fields {
            self.origins.insert(field.into(), Origin::Rule("as the given weights".into()));
        }
    }

    /// Augments sounds unless the recipe augments already.
    pub(crate) fn augment_sounds(&mut self, spec: &str) {
        if Medium::of(spec) == Medium::Sound && self.recipe.data.augment == NONE {
            self.recipe.data.augment = SOUNDS.into();
            self.origins.insert("data.augment".into(), Origin::Rule("for sounds".into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use striate_tensor::encoding::{LogMel, SoundEncoding, TextEncoding};

    use super::*;
    use crate::Recipe;

    fn settings(flags: &[(&str, &str)]) -> Settings {
        let mut settings = Settings::from(Recipe::default());
        flags.iter().for_each(|(flag, assignment)| settings.set(flag, assignment).unwrap());
        settings.with_model_for_data()
    }

    #[test]
    fn sounds_and_texts_get_their_network_unless_one_is_named() {
        let chosen = |flags: &[(&str, &str)]| settings(flags).recipe.model.name;
        let sounds = ("--data", "data.spec='audio:set'");
        assert_eq!(chosen(&[]), "lenet5");
        assert_eq!(chosen(&[sounds]), FOR_SOUNDS);
        assert_eq!(chosen(&[("--data", "data.spec='text:set'")]), FOR_TEXTS);
        assert_eq!(chosen(&[sounds, ("MODEL", "model.name='m5'")]), "m5");
        assert!(matches!(settings(&[sounds]).origin("model.name"), Origin::Rule(_)));
    }

    #[test]
    fn encoding_of_given_weights_yields_to_flags() {
        let form = SoundForm::LogMel(LogMel::for_speech(40, 8_000));
        let encoding = SoundEncoding { sample_rate: 8_000, samples: 4_000, form, mean: 0.0, std: 1.0 };
        let mut settings = settings(&[("--data", "data.spec='audio:set'"), ("--set", "data.seconds=2.0")]);
        settings.encode_as(&Encoding::Sound(encoding));
        let data = &settings.recipe.data;
        assert_eq!((data.sample_rate, data.seconds, data.mels), (Some(8_000), Some(2.0), Some(40)));
        assert_eq!(settings.origin("data.seconds"), Origin::Flag("--set".into()));
        settings.recipe.check().unwrap();
        settings.recipe.data.spec = "digits".into();
        let error = settings.recipe.check().unwrap_err().to_string();
        assert!(error.contains("data.sample_rate applies to sounds"), "{error}");
        let mut settings = Settings::from(Recipe::default());
        settings.set("--data", "data.spec='text:set'").unwrap();
        settings.encode_as(&Encoding::Text(TextEncoding { alphabet: "abc".into(), length: 9 }));
        let data = &settings.recipe.data;
        assert_eq!((data.length, data.alphabet.as_deref()), (Some(9), Some("abc")));
    }
}
