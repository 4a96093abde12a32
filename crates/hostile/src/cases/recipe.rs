//! Recipes: unknown fields, invalid values, malformed TOML.

use striate_train::SHIPPED;

use super::{Case, bad, good};

/// Returns a recipe with one field.
fn field(section: &str, assignment: &str) -> String {
    format!("[{section}]\n{assignment}\n")
}

pub(super) fn cases() -> Vec<Case> {
    let deep = 100_000;
    let lists = format!("x = {}", "[".repeat(deep));
    let tables = format!("x = {}", "{a=".repeat(deep));
    let dotted = format!("x{} = 1", ".a".repeat(deep));
    let header = format!("[x{}]", ".a".repeat(deep));
    let sections: String = (0..10_000).map(|i| format!("[s{i}]\n")).collect();
    let long = format!("[optim]\nname = \"{}\"\n", "x".repeat(100_000));
    let milestones = format!("milestones = [{}]", "0.5,".repeat(1000));
    let (train, optim, schedule) = ("train", "optim", "schedule");
    let mut cases: Vec<Case> = SHIPPED.iter().map(|recipe| good(recipe.name, recipe.text)).collect();
    cases.extend([
        good("an empty file", ""),
        good("a comment", "# nothing\n"),
        good("a loss without a name", field("loss", "smoothing = 0.1")),
        good("the hinge loss", field("loss", "name = \"hinge\"\nmargin = 2\npower = 2")),
        good(
            "a step schedule",
            field(schedule, "name = \"step\"\nwarmup = 0\nmilestones = [0.1, 0.9]\nfactor = 0.5"),
        ),
        good("self-organizing cells", field("self_organization", "speed = [1, 2, 3]")),
        bad(
            "10,000 layers of self-organizing cells",
            field("self_organization", &format!("layers = [{}]", "'s',".repeat(10_000))),
            "self_organization.layers must have 1 to 64 names",
        ),
        bad(
            "two methods without gradient descent",
            "[svm]\n[self_organization]\n",
            "svm and self_organization exclude each other; omit one",
        ),
        good(
            "the largest values",
            field(train, "epochs = 1048576\nbatch = 1048576\nseed = 9223372036854775807"),
        ),
        bad("plain text", "a few words", "recipe: "),
        bad("not UTF-8", [b'#', 0xff], "is not UTF-8 text"),
        bad("a zero byte", "\0", "recipe: "),
        bad(
            "800,000 dots in a broken table",
            format!("a = [{}", "}{.......".repeat(112_500)),
            "recipe: line 1: ",
        ),
        bad("above 1 MiB", "#".repeat((1 << 20) + 1), "has 1048577 bytes; the limit is 1048576"),
        bad("an unknown section", field("trian", "epochs = 1"), "unknown field trian; did you mean train?"),
        bad(
            "an unknown field",
            field(train, "epoch = 1"),
            "unknown field train.epoch; did you mean train.epochs?",
        ),
        bad("an unknown field of the loss", field("loss", "smothing = 0.1"), "did you mean loss.smoothing?"),
        bad("10,000 sections", sections, "unknown field s0"),
        bad("a field twice", field(train, "epochs = 1\nepochs = 2"), "duplicate key"),
        bad("a section twice", "[train]\n[train]\n", "duplicate key"),
        bad("a section that is a number", "train = 1", "train must be a table, but is 1"),
        bad(
            "a number that is a section",
            field(train, "batch = { a = 1 }"),
            "train.batch must be a whole number, but is a table",
        ),
        bad("lists nested 100,000 deep", lists, "recipe: "),
        bad("tables nested 100,000 deep", tables, "recipe: "),
        bad("a key of 100,000 parts", dotted, "recipe: line 1: more than 1024 dots in keys"),
        bad("a section of 100,000 parts", header, "recipe: line 1: more than 1024 dots in keys"),
        bad(
            "a string for a number",
            field(train, "batch = \"many\""),
            "train.batch must be a whole number, but is \"many\"",
        ),
        bad(
            "a float for a count",
            field(train, "batch = 1.5"),
            "train.batch must be a whole number, but is 1.5",
        ),
        bad(
            "NaN for a count",
            field(train, "epochs = nan"),
            "train.epochs must be a whole number, but is NaN",
        ),
        bad("a batch size of 0", field(train, "batch = 0"), "train.batch must be from 1"),
        bad(
            "a batch size of a quintillion",
            field(train, "batch = 1000000000000000000"),
            "train.batch must be from 1 to 1048576",
        ),
        bad("a batch size of 1e18", field(train, "batch = 1e18"), "train.batch must be a whole number"),
        bad(
            "a negative batch size",
            field(train, "batch = -1"),
            "train.batch must not be negative, but is -1",
        ),
        bad("no epochs", field(train, "epochs = 0"), "train.epochs must be from 1"),
        bad(
            "a quintillion epochs",
            field(train, "epochs = 1000000000000000000"),
            "train.epochs must be from 1 to 1048576",
        ),
        bad("negative epochs", field(train, "epochs = -5"), "train.epochs must not be negative, but is -5"),
        bad("an integer above 64 bits", field(train, "seed = 99999999999999999999999"), "recipe: "),
        bad("a negative seed", field(train, "seed = -1"), "train.seed must not be negative, but is -1"),
        bad(
            "an infinite gradient norm",
            field(train, "clip_norm = inf"),
            "train.clip_norm must be a finite number, 0 or more",
        ),
        bad(
            "a negative gradient norm",
            field(train, "clip_norm = -1.0"),
            "train.clip_norm must be a finite number, 0 or more",
        ),
        bad("a learning rate of NaN", field(optim, "lr = nan"), "optim.lr must be a finite number above 0"),
        bad(
            "an infinite learning rate",
            field(optim, "lr = inf"),
            "optim.lr must be a finite number above 0",
        ),
        bad(
            "a learning rate above f32",
            field(optim, "lr = 1e300"),
            "optim.lr must be a finite number above 0",
        ),
        bad(
            "a negative learning rate",
            field(optim, "lr = -0.1"),
            "optim.lr must be a finite number above 0",
        ),
        bad("a momentum of 1", field(optim, "momentum = 1.0"), "optim.momentum must be in [0, 1)"),
        bad("a momentum of NaN", field(optim, "momentum = nan"), "optim.momentum must be in [0, 1)"),
        bad(
            "an infinite weight decay",
            field(optim, "weight_decay = inf"),
            "optim.weight_decay must be a finite number, 0 or more",
        ),
        bad(
            "a negative weight decay",
            field(optim, "weight_decay = -1e-4"),
            "optim.weight_decay must be a finite number, 0 or more",
        ),
        bad("beta1 of 2", field(optim, "beta1 = 2.0"), "optim.beta1 must be in [0, 1)"),
        bad("beta2 of -1", field(optim, "beta2 = -1.0"), "optim.beta2 must be in [0, 1)"),
        bad(
            "an epsilon of zero",
            field(optim, "epsilon = 0.0"),
            "optim.epsilon must be a finite number above 0",
        ),
        bad(
            "an infinite epsilon",
            field(optim, "epsilon = inf"),
            "optim.epsilon must be a finite number above 0",
        ),
        bad("an unknown optimizer", field(optim, "name = \"sdg\""), "did you mean sgd?"),
        bad(
            "an optimizer with control characters",
            field(optim, "name = \"\\u001b[2J\\n\""),
            "optim.name: unknown \u{fffd}[2J ;",
        ),
        bad("an overlong optimizer", long, "x…x"),
        bad("everything held out", field("data", "holdout = 1.0"), "data.holdout must be in [0, 0.9)"),
        bad("a holdout of NaN", field("data", "holdout = nan"), "data.holdout must be in [0, 0.9)"),
        bad("an unknown augmentation", field("data", "augment = \"afine\""), "did you mean affine?"),
        bad("a shuffle of 3", field("data", "shuffle = 3"), "data.shuffle must be true or false, but is 3"),
        bad(
            "a checkpoint interval of NaN",
            field("checkpoint", "every_seconds = nan"),
            "checkpoint.every_seconds must be 0 or more",
        ),
        bad(
            "a negative checkpoint interval",
            field("checkpoint", "every_seconds = -1.0"),
            "checkpoint.every_seconds must be 0 or more",
        ),
        bad(
            "a negative number of checkpoints",
            field("checkpoint", "keep = -1"),
            "checkpoint.keep must not be negative, but is -1",
        ),
        bad("an unknown schedule", field(schedule, "name = \"cosin\""), "did you mean cosine?"),
        bad("a warm-up of 2", field(schedule, "warmup = 2.0"), "must be fractions in [0, 1]"),
        bad("a warm-up of NaN", field(schedule, "warmup = nan"), "must be fractions in [0, 1]"),
        bad("an infinite milestone", field(schedule, "milestones = [inf]"), "must be fractions in [0, 1]"),
        bad("1,000 milestones", field(schedule, &milestones), "schedule.milestones has more than 64 entries"),
        bad(
            "a factor that overflows",
            field(schedule, "factor = 1e200"),
            "schedule.factor must be in [0, 1000]",
        ),
        bad("a negative factor", field(schedule, "factor = -0.1"), "schedule.factor must be in [0, 1000]"),
        bad("a factor of NaN", field(schedule, "factor = nan"), "schedule.factor must be in [0, 1000]"),
        bad("an unknown loss", field("loss", "name = \"hing\""), "did you mean hinge?"),
        bad("a loss that is a number", field("loss", "name = 3"), "recipe: "),
        bad("a smoothing of 1", field("loss", "smoothing = 1.0"), "loss.smoothing must be in [0, 1)"),
        bad(
            "a margin of NaN",
            field("loss", "name = \"hinge\"\nmargin = nan"),
            "loss.margin must be positive",
        ),
        bad("a power of 3", field("loss", "name = \"hinge\"\npower = 3"), "loss.power must be 1 or 2"),
        bad("a field of another loss", field("loss", "name = \"hinge\"\nj = 1.0"), "recipe: "),
    ]);
    cases
}
