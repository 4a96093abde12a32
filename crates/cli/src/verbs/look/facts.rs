//! What `look` reports: what it decided, and the files that it wrote.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::{Value, json};
use striate_insight::{ExcitingPatches, Look, MapLayer, Patch, Shifts};
use striate_predict::Guess;
use striate_tensor::text::{counted, pad, printable, printable_path};

use super::Written;
use super::folder::Target;
use super::patches::Searched;
use crate::json;
use crate::output::{argument, sides};

/// The image, the class that was explained, and what was found.
pub struct Explained {
    pub image: PathBuf,
    pub guess: Guess,
    /// Whether the class is the best guess, because none was named.
    pub is_best: bool,
    pub seen: Look,
    /// What moving the image changes, if that was asked for.
    pub shifts: Option<Shifts>,
}

/// Everything that is reported.
pub struct Facts<'a> {
    pub target: &'a Target,
    pub files: &'a [Written],
    pub explained: Option<Explained>,
    pub searched: Option<Searched>,
    pub network: String,
}

impl Facts<'_> {
    /// Prints the facts for a person.
    pub fn print(&self) -> Result<()> {
        self.explained.iter().for_each(|explained| self.print_explained(explained));
        if let Some(Searched { data, part, images, layer, units }) = &self.searched {
            let part = if *part == "all" { String::new() } else { format!("the {part} part of ") };
            println!(
                "patches    {} of {}, from {} of {part}{}",
                counted(units.len(), "unit"),
                printable(layer),
                counted(*images, "image"),
                printable(data)
            );
        }
        println!("wrote {}:", argument(&self.target.path().to_string_lossy()));
        let width = self.files.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        for (name, what, _) in self.files {
            println!("  {}  {}", pad(name, width), printable(what));
        }
        Ok(())
    }

    fn print_explained(&self, explained: &Explained) {
        let Explained { image, guess, is_best, seen, shifts } = explained;
        let why = if *is_best { "the best guess" } else { "asked for" };
        let size = sides(&seen.input);
        println!("{}, which {} sees as {size}", printable_path(image), printable(&self.network));
        println!("class      {}, {:.1} % ({why})", printable(&guess.class), guess.score * 100.0);
        println!("scores     gradients are those of {}", printable(&seen.scores));
        match &seen.grad_cam {
            None => println!("Grad-CAM   left out: no convolution of the network has maps larger than 1×1"),
            Some((MapLayer { name, maps }, heat)) => {
                let none = if heat.largest() > 0.0 { "" } else { "; nothing there speaks for the class" };
                println!("Grad-CAM   at {}, maps of {}{none}", printable(name), sides(maps));
            }
        }
        let (square, drops) = (&seen.square, &seen.occluded.drops);
        println!(
            "occlusion  gray square of {0}×{0} pixels, every {1} ({2}×{3} positions); largest drop {4:.1} points",
            square.side,
            square.stride,
            drops.height,
            drops.width,
            drops.largest().max(0.0) * 100.0
        );
        if let Some(shifts) = shifts {
            println!(
                "shifts     {} of {} images moved by up to {} pixels keep the class",
                shifts.kept(),
                shifts.best.len(),
                shifts.most
            );
        }
    }

    /// Prints the facts as one JSON object.
    pub fn print_json(&self) -> Result<()> {
        let file = |(name, what, _): &Written| json!({ "file": json::path(&self.target.path().join(name)), "what": what });
        let mut value = json!({
            "network": self.network,
            "out": json::path(self.target.path()),
            "files": self.files.iter().map(file).collect::<Vec<_>>(),
        });
        if let Some(explained) = &self.explained {
            add(&mut value, explained_json(explained));
        }
        if let Some(searched) = &self.searched {
            add(&mut value, searched_json(searched));
        }
        Ok(json::print(&value)?)
    }
}

/// Adds the fields of the object `more` to the object `value`.
fn add(value: &mut Value, more: Value) {
    let Value::Object(more) = more else { unreachable!("facts are objects") };
    more.into_iter().for_each(|(key, fact)| value[key] = fact);
}

fn explained_json(Explained { image, guess, is_best, seen, shifts }: &Explained) -> Value {
    let layer = seen
        .grad_cam
        .as_ref()
        .map(|(layer, heat)| json!({ "name": layer.name, "maps": layer.maps, "largest": heat.largest() }));
    let (square, occluded) = (&seen.square, &seen.occluded);
    json!({
        "image": json::path(image),
        "input": seen.input,
        "class": { "class": guess.class, "index": guess.index, "score": guess.score, "best_guess": is_best },
        "scores": seen.scores,
        "grad_cam": layer,
        "occlusion": {
            "side": square.side,
            "stride": square.stride,
            "positions": [occluded.drops.height, occluded.drops.width],
            "largest_drop": occluded.drops.largest(),
        },
        "shifts": shifts.as_ref().map(|shifts| json!({
            "most": shifts.most,
            "images": shifts.best.len(),
            "kept": shifts.kept(),
            "best": shifts.best,
        })),
        "features": seen.features.iter().map(|maps| &maps.layer.name).collect::<Vec<_>>(),
    })
}

fn searched_json(Searched { data, part, images, layer, units }: &Searched) -> Value {
    let patch = |patch: &Patch| json!({ "image": patch.image, "activation": patch.activation, "position": patch.position });
    let unit = |ExcitingPatches { unit, patches }: &ExcitingPatches| json!({ "unit": unit, "patches": patches.iter().map(patch).collect::<Vec<_>>() });
    let units: Vec<Value> = units.iter().map(unit).collect();
    json!({ "patches": { "data": data, "part": part, "images": images, "layer": layer, "units": units } })
}
