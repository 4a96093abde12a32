//! `striate train --find-lr`

use std::path::Path;

use anyhow::Result;
use serde_json::json;
use striate_tensor::Error;
use striate_train::{RateCurve, Session};
use striate_vision::{draw, encode_png};

use crate::json;
use crate::output::argument;
use crate::outputs::write_file;
use crate::progress::Watcher;

/// Runs the range test, and proposes a learning rate; writes nothing but the picture, if one is requested.
pub fn run(mut session: Session, mut watcher: Watcher, picture: Option<&Path>, as_json: bool) -> Result<()> {
    eprint!("{}", super::summary::text(&session.summary()?));
    let curve = session.find_rate(&mut watcher)?;
    watcher.finish();
    if curve.stopped {
        return Err(Error::failed("stopped by a signal before the range test had ended").into());
    }
    picture.map(|path| draw(path, &curve)).transpose()?;
    let proposal = curve.proposal()?;
    if as_json {
        return Ok(json::print(&json!({
            "lr": proposal.rate,
            "reason": proposal.reason,
            "diverged": curve.diverged,
            "rates": curve.rates,
            "losses": curve.losses,
            "smoothed": curve.smoothed,
            "picture": picture.map(json::path),
        }))?);
    }
    println!("proposed learning rate: {} ({})", proposal.rate, proposal.reason);
    if let Some(path) = picture {
        println!("picture {}", argument(&path.to_string_lossy()));
    }
    println!("train with it: --lr {}", proposal.rate);
    Ok(())
}

/// Draws the losses over the logarithm of the rate, with a vertical line at the proposed one.
fn draw(path: &Path, curve: &RateCurve) -> Result<()> {
    let points = |losses: &[f64]| {
        curve.rates.iter().zip(losses).map(|(rate, loss)| (rate.log10(), *loss)).collect::<Vec<_>>()
    };
    // The last losses before the end are so large that the others would be a flat line.
    let highest =
        1.5 * curve.smoothed.iter().take(curve.smoothed.len() / 2).fold(0.0f64, |most, x| most.max(*x));
    let visible = |losses: &[f64]| -> Vec<(f64, f64)> {
        points(losses).into_iter().filter(|(_, loss)| *loss <= highest).collect()
    };
    let mut series =
        vec![("loss".to_owned(), visible(&curve.losses)), ("smoothed".to_owned(), visible(&curve.smoothed))];
    if let Ok(proposal) = curve.proposal() {
        let losses = series.iter().flat_map(|(_, points)| points).map(|(_, loss)| *loss);
        let (place, top) = (proposal.rate.log10(), losses.fold(0.0, f64::max));
        series.push((format!("proposed: {}", proposal.rate), vec![(place, 0.0), (place, top)]));
    }
    let picture = draw::curves("loss by learning rate", "log10 of the learning rate", &series);
    Ok(write_file(path, &encode_png(&picture)?)?)
}
