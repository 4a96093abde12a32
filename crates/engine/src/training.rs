//! Training steps: forward computation, loss, gradients and update, with all variables on the device.

use std::collections::HashMap;
use std::sync::Arc;

use striate_graph::{
    AVERAGE, Graph, Kind, Network, RATE_TIMES, Role, Segment, TrainingSpec, average_decay, initial_values,
    training_graph,
};
use striate_tensor::text::counted;
use striate_tensor::{Error, Result, Shape, check_memory, zeroed};

use crate::Variables;
use crate::clock::Clock;
use crate::device::{Data, Device, Session};
use crate::passes::run_neutral;
use crate::report::PlanReport;
use crate::targets::{Targets, check_batch};

/// A variable of a training step.
#[derive(Debug, Clone, PartialEq)]
pub struct VariableInfo {
    /// The name.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The extents.
    pub shape: Shape,
}

/// A part of a step's batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// Whether it is the first one.
    pub is_first: bool,
    /// Factor on its gradients: its share of the images.
    pub share: f32,
}

impl Part {
    /// A whole batch.
    pub const WHOLE: Part = Part { is_first: true, share: 1.0 };
}

/// A network being trained.
///
/// Parameters, gradients and the optimizer's state stay on the device, in its formats; [`Training::variables`]
/// returns them in plain order. Batches of different sizes run on separate programs that share the variables.
pub struct Training {
    network: Network,
    spec: TrainingSpec,
    device: Arc<dyn Device>,
    session: Box<dyn Session>,
    infos: Vec<VariableInfo>,
    /// The number of classes.
    classes: usize,
    programs: HashMap<Shape, usize>,
    /// The scalars for learning rates with a factor, and the factors.
    rates: Vec<(String, f32)>,
}

/// The roles of variables, in the order in which they are listed.
const ROLES: [Role; 6] =
    [Role::Parameter, Role::Gradient, Role::Total, Role::State, Role::Buffer, Role::Scalar];

impl Training {
    /// Creates the training of `network` on `device` with initial weights drawn from `seed`, for batches of shape
    /// `[N, C, H, W]`.
    ///
    /// # Errors
    /// If the network cannot be trained on such batches.
    pub fn new(
        network: Network,
        spec: TrainingSpec,
        shape: &Shape,
        seed: u64,
        device: impl Into<Arc<dyn Device>>,
    ) -> Result<Training> {
        let device = device.into();
        let graph = training_form(&network, &spec, shape, &*device)?;
        if let Some(free) = device.free_memory() {
            check_free(free, &network, &spec, shape, &*device)?;
        }
        let infos =
            ROLES.into_iter().flat_map(|role| graph.variables(role).map(move |(_, value)| (role, value)));
        let infos: Vec<VariableInfo> = infos
            .map(|(role, value)| VariableInfo { name: value.name.clone(), role, shape: value.shape.clone() })
            .collect();
        let classes = graph.shape(graph.outputs[1])[1];
        let values = graph.values.clone();
        let mut session = device.session();
        let programs = HashMap::from([(shape.clone(), session.compile(graph)?)]);
        for value in values {
            let bytes = value.bytes();
            let Kind::Variable { role: Role::Parameter | Role::Buffer, init, fan } = value.kind else {
                continue;
            };
            check_memory(bytes).map_err(|e| e.at(&value.name))?;
            let initial = initial_values(init, &value.name, &value.shape, &fan, seed);
            session.upload(&value.name, Data::F32(&initial))?;
            let average = format!("{AVERAGE}{}", value.name);
            if infos.iter().any(|info| info.name == average) {
                session.upload(&average, Data::F32(&initial))?;
            }
        }
        session.upload("seed", Data::I64(&[seed as i64]))?;
        session.upload("one", Data::F32(&[1.0]))?;
        let rates = infos.iter().filter_map(|info| {
            let factor = info.name.strip_prefix(RATE_TIMES)?.parse().ok()?;
            Some((info.name.clone(), factor))
        });
        let rates = rates.collect();
        Ok(Training { network, spec, device, session, infos, classes, programs, rates })
    }

    /// The figures of the plan of a training step of `network` on batches of `shape`, without allocating memory.
    ///
    /// # Errors
    /// If the network cannot be trained on such batches.
    pub fn plan(
        network: &Network,
        spec: &TrainingSpec,
        shape: &Shape,
        device: &dyn Device,
    ) -> Result<PlanReport> {
        device.plan(training_form(network, spec, shape, device)?)
    }

    /// The number of the program for batches of `shape`, which is compiled unless it exists.
    fn program(&mut self, shape: &Shape) -> Result<usize> {
        if let Some(program) = self.programs.get(shape) {
            return Ok(*program);
        }
        let program =
            self.session.compile(training_form(&self.network, &self.spec, shape, &*self.device)?)?;
        self.programs.insert(shape.clone(), program);
        Ok(program)
    }

    /// Runs one step on `images` of `shape` with `labels` at learning rate `rate`; `step` counts from 0.
    /// Returns the loss before the update.
    ///
    /// # Errors
    /// If images, labels and shape do not match, or a label is not a class.
    pub fn step(
        &mut self,
        shape: &Shape,
        images: &[f32],
        labels: &[i64],
        rate: f32,
        step: u64,
    ) -> Result<f32> {
        self.accumulate(shape, images, labels, step, None)?;
        self.update(shape, rate, step, None)?;
        Ok(self.loss(shape))
    }

    /// Runs the first segment of a step: forward computation, loss and gradients. `draw` is the number of the masks
    /// that dropout draws, which is that of the step unless the batch consists of parts.
    ///
    /// # Errors
    /// As [`Training::step`].
    pub fn accumulate<'a>(
        &mut self,
        shape: &Shape,
        images: &[f32],
        targets: impl Into<Targets<'a>>,
        draw: u64,
        profile: Option<(&dyn Clock, &mut [f64])>,
    ) -> Result<()> {
        self.accumulate_part(shape, images, targets, draw, Part::WHOLE, profile)
    }

    /// As [`Training::accumulate`], for a part of the step's batch: adds its gradients to those of earlier parts. The
    /// specification must have `in_parts`.
    ///
    /// # Errors
    /// As [`Training::step`].
    pub fn accumulate_part<'a>(
        &mut self,
        shape: &Shape,
        images: &[f32],
        targets: impl Into<Targets<'a>>,
        draw: u64,
        part: Part,
        profile: Option<(&dyn Clock, &mut [f64])>,
    ) -> Result<()> {
        let program = self.program(shape)?;
        self.set_batch(program, shape, images, targets.into())?;
        self.session.upload("step", Data::I64(&[draw as i64]))?;
        self.session.upload("part_keep", Data::F32(&[if part.is_first { 0.0 } else { 1.0 }]))?;
        self.session.upload("part_share", Data::F32(&[part.share]))?;
        self.session.run(program, Segment::Accumulate, profile)
    }

    /// Whether the loss of the last batch of `shape` and all gradients are finite.
    ///
    /// # Errors
    /// If the device fails.
    pub fn is_finite(&self, shape: &Shape) -> Result<bool> {
        let gradients = self.infos.iter().filter(|info| info.role == Role::Gradient);
        let names: Vec<&str> = gradients.map(|info| info.name.as_str()).collect();
        Ok(self.loss(shape).is_finite() && self.session.are_finite(&names)?)
    }

    /// Reruns the first segment on a batch of `shape` step by step, and returns the name of the first step that
    /// produces a non-finite value.
    ///
    /// # Errors
    /// If the batch does not match its shape, or the device fails.
    pub fn first_non_finite<'a>(
        &mut self,
        shape: &Shape,
        images: &[f32],
        targets: impl Into<Targets<'a>>,
    ) -> Result<Option<String>> {
        let program = self.program(shape)?;
        self.set_batch(program, shape, images, targets.into())?;
        self.session.first_non_finite(program)
    }

    /// Runs the last segment of step number `step`, from 0: the optimizer's update with the current gradients.
    ///
    /// # Errors
    /// If the device fails.
    pub fn update(
        &mut self,
        shape: &Shape,
        rate: f32,
        step: u64,
        profile: Option<(&dyn Clock, &mut [f64])>,
    ) -> Result<()> {
        self.session.upload("step", Data::I64(&[step as i64]))?;
        self.session.upload("rate", Data::F32(&[rate]))?;
        for (name, factor) in &self.rates {
            self.session.upload(name, Data::F32(&[rate * factor]))?;
        }
        let keep = average_decay(self.spec.average.unwrap_or_default(), step);
        self.session.upload("average_keep", Data::F32(&[keep]))?;
        self.session.upload("average_share", Data::F32(&[1.0 - keep]))?;
        self.session.run(self.programs[shape], Segment::Update, profile)
    }

    /// The report of the program for batches of `shape`, with the mean time of each of its steps over up to `runs`
    /// training steps on a batch at rate 0. After the first, which warms up caches, measures for about `limit` seconds.
    ///
    /// # Errors
    /// As [`Training::step`].
    pub fn profile<'a>(
        &mut self,
        shape: &Shape,
        images: &[f32],
        targets: impl Into<Targets<'a>>,
        (runs, limit): (usize, f64),
        clock: &dyn Clock,
    ) -> Result<PlanReport> {
        let (program, targets) = (self.program(shape)?, targets.into());
        self.accumulate(shape, images, targets, 0, None)?;
        self.update(shape, 0.0, 0, None)?;
        let mut seconds = vec![0.0; self.session.report(program, None).repeated_steps()];
        let mut done = 0;
        while done == 0 || done < runs && seconds.iter().sum::<f64>() < limit {
            self.accumulate(shape, images, targets, done as u64, Some((clock, &mut seconds)))?;
            self.update(shape, 0.0, done as u64, Some((clock, &mut seconds)))?;
            done += 1;
        }
        seconds.iter_mut().for_each(|total| *total /= done as f64);
        Ok(self.session.report(program, Some(&seconds)))
    }

    /// The loss of the last batch of `shape`.
    pub fn loss(&self, shape: &Shape) -> f32 {
        self.session.output(self.programs[shape], 0)[0]
    }

    /// The probabilities `[N, K]` of the last batch of `shape`.
    pub fn probabilities(&self, shape: &Shape) -> &[f32] {
        self.session.output(self.programs[shape], 1)
    }

    /// All variables except scalars, by role.
    pub fn infos(&self) -> impl Iterator<Item = &VariableInfo> {
        self.infos.iter().filter(|info| info.role != Role::Scalar)
    }

    /// The values of the variables with one of `roles`, in plain order.
    ///
    /// # Errors
    /// If there is not enough memory for them, or the device fails.
    pub fn variables(&self, roles: &[Role]) -> Result<Variables> {
        let wanted = self.infos().filter(|info| roles.contains(&info.role));
        wanted.map(|info| Ok((info.name.clone(), (info.shape.clone(), self.load(info)?)))).collect()
    }

    /// The values of parameters and buffers, as inference uses them: their running averages where these are kept.
    ///
    /// # Errors
    /// As [`Training::variables`].
    pub fn weights(&self) -> Result<Variables> {
        let stored = self.infos().filter(|info| matches!(info.role, Role::Parameter | Role::Buffer));
        let value = |info: &VariableInfo| {
            let average = format!("{AVERAGE}{}", info.name);
            let source = self.infos.iter().find(|other| other.name == average).unwrap_or(info);
            Ok((info.name.clone(), (info.shape.clone(), self.load(source)?)))
        };
        stored.map(value).collect()
    }

    /// Sets variables by name.
    ///
    /// # Errors
    /// If one of them is unknown or has another shape; in this case nothing is changed. If the device fails.
    pub fn set_variables(&mut self, variables: &Variables) -> Result<()> {
        for (name, (shape, values)) in variables {
            let info = self.infos().find(|info| info.name == *name);
            let info = info.ok_or_else(|| {
                Error::input(format!("{name} is not a variable of this network and optimizer"))
            })?;
            if info.shape != *shape || values.len() != shape.numel() {
                let expected = &info.shape;
                return Err(Error::input(format!("{name} has shape {shape}; expected {expected}")));
            }
        }
        for (name, (_, values)) in variables {
            self.session.upload(name, Data::F32(values))?;
            // Without an average of its own, that of a variable starts at its value.
            let average = format!("{AVERAGE}{name}");
            if !variables.contains_key(&average) && self.infos.iter().any(|info| info.name == average) {
                self.session.upload(&average, Data::F32(values))?;
            }
        }
        Ok(())
    }

    /// The report of the plan for batches of `shape`; `seconds` are the measured times of its steps.
    ///
    /// # Errors
    /// If the network cannot be trained on such batches.
    pub fn report(&mut self, shape: &Shape, seconds: Option<&[f64]>) -> Result<PlanReport> {
        let program = self.program(shape)?;
        Ok(self.session.report(program, seconds))
    }

    /// The number of bytes currently allocated for the arena and the variables.
    pub fn allocated_bytes(&self) -> usize {
        self.session.allocated_bytes()
    }

    /// The peak memory of a step on batches of `shape`, in bytes.
    ///
    /// # Errors
    /// If the network cannot be trained on such batches.
    pub fn peak_bytes(&mut self, shape: &Shape) -> Result<usize> {
        Ok(self.report(shape, None)?.peak_bytes)
    }

    fn load(&self, info: &VariableInfo) -> Result<Vec<f32>> {
        let mut values = zeroed(info.shape.numel())?;
        self.session.download(&info.name, &mut values)?;
        Ok(values)
    }

    /// Sets the inputs of `program`: a batch of `shape`.
    fn set_batch(&mut self, program: usize, shape: &Shape, images: &[f32], targets: Targets) -> Result<()> {
        if matches!(targets, Targets::Soft(_)) != self.spec.soft_targets {
            let what = "labels or soft targets must be given as the specification of the training says";
            return Err(Error::input(what));
        }
        check_batch(self.classes, shape, images, targets)?;
        self.session.set_input(program, 0, Data::F32(images))?;
        self.session.set_input(program, 1, targets.data())
    }
}

/// The graph of a training step after the neutral passes.
fn training_form(
    network: &Network,
    spec: &TrainingSpec,
    shape: &Shape,
    device: &dyn Device,
) -> Result<Graph> {
    let mut graph = training_graph(&network.graph_with_heads(shape)?, spec)?;
    if graph.variables(Role::Parameter).next().is_none() {
        let what = format!("network {}: has no parameters to train", network.name);
        return Err(Error::input(what));
    }
    run_neutral(&mut graph, device.disabled());
    Ok(graph)
}

/// Refuses a batch that does not fit the `free` bytes of a device; names the largest one that does.
fn check_free(
    free: usize,
    network: &Network,
    spec: &TrainingSpec,
    shape: &Shape,
    device: &dyn Device,
) -> Result<()> {
    let needed = |batch: usize| {
        let mut shape = shape.to_vec();
        shape[0] = batch;
        Ok(Training::plan(network, spec, &Shape::from(&shape[..]), device)?.peak_bytes)
    };
    let all = needed(shape[0])?;
    if all <= free {
        return Ok(());
    }
    // The largest batch known to fit, and the smallest known not to.
    let (mut fits, mut exceeds) = (0, shape[0]);
    while exceeds - fits > 1 {
        let batch = usize::midpoint(fits, exceeds);
        match needed(batch)? <= free {
            true => fits = batch,
            false => exceeds = batch,
        }
    }
    let [all, free] = [all, free].map(|bytes| bytes.div_ceil(1 << 20));
    let what =
        format!("a step on {} needs {all} MiB of memory on {}", counted(shape[0], "image"), device.name());
    let advice = match fits {
        0 => "not even one image fits".to_owned(),
        fits => format!("use a batch of at most {fits}"),
    };
    Err(Error::input(format!("{what}, and {free} MiB are free; {advice}")))
}
