//! Every built-in recipe makes two steps, which change every part of its network; `without_descent.rs` runs those
//! that have no steps.

mod common;

use common::{Scratch, dataset, reduced, trainer};
use striate_tensor::Shape;
use striate_testkit::each_of;
use striate_train::{Limits, SHIPPED, Settings};
use striate_vision::augment::Operation;

/// Networks are narrower than the originals, and images smaller unless the transforms set their size.
#[test]
fn every_recipe_makes_two_steps() {
    let scratch = Scratch::new("recipes");
    each_of(SHIPPED, 2, |recipe| {
        let mut settings = Settings::named(recipe.name).unwrap();
        if settings.recipe.replacement().is_some() {
            return;
        }
        // This one is for networks with batch norms, and leaves the network open.
        let name = if recipe.name == "plain" { "plain20" } else { settings.recipe.model.name.as_str() };
        let mut network = reduced(name);
        if let Some([height, width]) = settings.recipe.data.transforms.output_size(None) {
            network.input = Shape::from([network.input[0], height, width]);
        }
        let image = network.image().unwrap();
        settings.set("--batch", "train.batch=6").unwrap();
        settings.set("--set", "data.holdout=0.3").unwrap();
        let run = trainer(settings, network, dataset(20, 3, image), 1, &scratch.path(recipe.name));
        let outcome = run.run(Limits { steps: Some(2), any_isa: false }, &mut ()).unwrap();
        assert_eq!(outcome.losses.len(), 2, "{}", recipe.name);
        assert!(outcome.losses.iter().all(|loss| loss.is_finite()), "{}: {:?}", recipe.name, outcome.losses);
    });
}
