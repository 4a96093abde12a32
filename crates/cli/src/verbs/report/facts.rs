//! The summary of a report.

use std::time::{SystemTime, UNIX_EPOCH};

use striate_formats::ModelFile;
use striate_graph::statistics;
use striate_tensor::text::{counted, grouped, printable};
use striate_train::RunFacts;

use crate::device::Chosen;
use crate::output::sides;

/// Fields of the recipe that describe a training best.
const FIELDS: [&str; 36] = [
    "svm.c",
    "svm.loss",
    "svm.tolerance",
    "svm.passes",
    "self_organization.layers",
    "self_organization.rules",
    "self_organization.selectivity",
    "self_organization.speed",
    "self_organization.columns",
    "self_organization.presentations",
    "self_organization.initial",
    "data.features",
    "train.epochs",
    "train.batch",
    "train.accumulate",
    "optim.name",
    "optim.lr",
    "optim.momentum",
    "optim.weight_decay",
    "optim.rates",
    "schedule.name",
    "schedule.warmup",
    "data.augment",
    "data.transforms",
    "data.mixup",
    "data.cutmix",
    "data.holdout",
    "loss.name",
    "loss.smoothing",
    "loss.class_weights",
    "train.ema",
    "train.freeze",
    "train.patience",
    "model.init",
    "model.start",
    "train.seed",
];

/// What was trained on what, how, where and how long.
pub fn facts(run: &RunFacts, model: &ModelFile, plan: &str, chosen: &Chosen) -> Vec<(String, String)> {
    let recipe = &run.recipe;
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| facts.push((name.to_owned(), printable(&value).into_owned()));
    let network = &model.network;
    let size = network.graph(1).map(|graph| statistics(&graph));
    let params = size.as_ref().map_or(String::new(), |size| {
        format!(", {} parameters, {} multiply-adds per image", grouped(size.params), grouped(size.cost.macs))
    });
    add("Network", format!("{}: input {}{params}", network.name, sides(&network.input)));
    add("Data", format!("{}, {}", recipe.data.spec, counted(model.classes.len(), "class")));
    if let Some(data) = &model.data {
        add("Data fingerprint", data.fingerprint.clone());
    }
    let form = model.preprocessing.as_ref().or(model.predict.as_ref());
    let encoding = model.encoding.as_ref().map(ToString::to_string);
    let form = form.map(ToString::to_string).or(encoding);
    add("Preprocessing", form.unwrap_or_else(|| "none: arrays are used unchanged".into()));
    let fields = recipe.fields();
    let shown = FIELDS.iter().filter_map(|wanted| fields.iter().find(|(field, _)| field == wanted));
    add("Recipe", shown.map(|(field, value)| format!("{field} = {value}")).collect::<Vec<_>>().join(", "));
    add("Seed", recipe.train.seed.to_string());
    let mut devices: Vec<&str> = plan.lines().filter_map(|line| line.strip_prefix("device: ")).collect();
    devices.dedup();
    if !devices.is_empty() {
        add("Trained on", devices.join(", then "));
    }
    if let Some(time) = training_time(run) {
        add("Training", time);
    }
    if let Some(own) = &model.evaluation {
        let [top1, top5] = [own.top1_error, own.top5_error].map(|error| error * 100.0);
        let images = counted(own.n, "image");
        add("At its end", format!("{} error {top1:.2} % (top 5: {top5:.2} %) on {images}", own.part));
    }
    let machine = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let device = chosen.device().name();
    add("This report", format!("{}, striate {}, {machine}, {device}", now(), env!("CARGO_PKG_VERSION")));
    facts
}

/// Epochs and steps from the run's metrics, with the rate of the last epoch and the time that follows from it.
fn training_time(run: &RunFacts) -> Option<String> {
    let (rate, steps) = (run.last("images_per_second")?, run.last("step")? as u64);
    let epochs = counted(run.epochs() as usize, "epoch");
    let seconds = run.seconds()?;
    let time = match seconds {
        ..100.0 => format!("{seconds:.1} s"),
        ..6000.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    };
    Some(format!("{epochs}, {} steps, {rate:.0} images/s, about {time}", grouped(steps)))
}

/// The date and time in UTC.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
}

/// The date that many days after 1970-01-01; the calendar repeats every 400 years, and years that begin in March end
/// with the leap day.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    let january = month >= 10;
    (era * 400 + year + u64::from(january), if january { month - 9 } else { month + 3 }, of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_453, (2025, 12, 31)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date(days), expected, "{days}");
        }
    }
}
