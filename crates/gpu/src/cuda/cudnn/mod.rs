//! Convolutions through cuDNN's graph API.
//!
//! An engine is chosen by cuDNN's heuristics and by notes, never by timing: the first one that is deterministic and
//! allowed for the precision. So the same version of cuDNN chooses the same engine on the same model of GPU.

mod descriptor;
mod operations;

use cudarc::cudnn::sys::{
    self, cudnnBackendAttributeName_t as Name, cudnnBackendDescriptorType_t as Kind,
    cudnnBackendHeurMode_t as Mode, cudnnBackendNumericalNote_t as Note,
};
use cudarc::driver::sys::CUstream;
use striate_engine::Precision;
use striate_tensor::{Error, Result};

use self::descriptor::{Descriptor, check};
use self::operations::{IDS, operations};
use super::Library;
use crate::convolution::Convolution;

/// The version of cuDNN, such as `9.26.0`.
///
/// # Errors
/// If it is missing.
pub fn version() -> Result<String> {
    require()?;
    // SAFETY: the library is open.
    let version = unsafe { sys::cudnnGetVersion() };
    Ok(format!("{}.{}.{}", version / 10_000, version % 10_000 / 100, version % 100))
}

fn require() -> Result<()> {
    for library in [Library::CublasLt, Library::Cudnn] {
        library.open().ok_or_else(|| super::missing(library))?;
    }
    // SAFETY: the library is open.
    match unsafe { sys::cudnnGetVersion() } {
        version if version < OLDEST => {
            Err(Error::input(format!("cuDNN {version} is too old; {}", Library::Cudnn.advice())))
        }
        _ => Ok(()),
    }
}

/// cuDNN 9.0.0 in its own numbering.
const OLDEST: usize = 90_000;

/// What cuDNN plans for: a GPU of this machine, or the description of one.
pub struct Target(Source);

enum Source {
    Handle(sys::cudnnHandle_t),
    Properties(Descriptor),
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Source::Handle(handle) = self.0 {
            // SAFETY: the handle was created and is not used any more.
            unsafe { sys::cudnnDestroy(handle) };
        }
    }
}

// SAFETY: a handle may be used from any thread, one at a time; the driver's lock ensures that.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    /// The GPU of the current context.
    ///
    /// # Errors
    /// If cuDNN is missing or does not support it.
    pub(super) fn current() -> Result<Target> {
        require()?;
        let mut handle = std::ptr::null_mut();
        // SAFETY: the handle is valid for writes.
        check(unsafe { sys::cudnnCreate(&raw mut handle) }, "a handle")?;
        Ok(Target(Source::Handle(handle)))
    }

    /// The GPU that `json` describes, in cuDNN's form; this needs no GPU.
    ///
    /// # Errors
    /// If cuDNN is missing, or does not support the description.
    pub fn described(json: &str) -> Result<Target> {
        require()?;
        let text = [json.as_bytes(), &[0]].concat();
        let properties = Descriptor::new(Kind::CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR)?
            .set(Name::CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, &text)?
            .finalize()?;
        Ok(Target(Source::Properties(properties)))
    }

    /// Plans `convolution`; `None` if cuDNN has no engine for it that is allowed.
    pub fn plan(&self, convolution: &Convolution) -> Option<Plan> {
        // What cuDNN refuses in one mode, it may support in another.
        let mut modes = [Mode::CUDNN_HEUR_MODE_A, Mode::CUDNN_HEUR_MODE_FALLBACK].into_iter();
        modes.find_map(|mode| self.plan_with(mode, convolution).ok().flatten())
    }

    fn plan_with(&self, mode: Mode, convolution: &Convolution) -> Result<Option<Plan>> {
        let operations = operations(convolution)?;
        let graph = Descriptor::new(Kind::CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR)?
            .descriptors(Name::CUDNN_ATTR_OPERATIONGRAPH_OPS, &operations.iter().collect::<Vec<_>>())?;
        let graph = match &self.0 {
            Source::Handle(handle) => graph.set(Name::CUDNN_ATTR_OPERATIONGRAPH_HANDLE, &[*handle])?,
            Source::Properties(_) => graph,
        };
        let graph = graph.finalize()?;
        let heuristics = Descriptor::new(Kind::CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR)?
            .descriptors(Name::CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, &[&graph])?
            .set(Name::CUDNN_ATTR_ENGINEHEUR_MODE, &[mode])?;
        let heuristics = match &self.0 {
            Source::Handle(_) => heuristics,
            Source::Properties(properties) => {
                heuristics.descriptors(Name::CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, &[properties])?
            }
        };
        let kind = Kind::CUDNN_BACKEND_ENGINECFG_DESCRIPTOR;
        let configurations =
            heuristics.finalize()?.get_descriptors(Name::CUDNN_ATTR_ENGINEHEUR_RESULTS, kind)?;
        let allowed = configurations
            .iter()
            .filter(|configuration| is_allowed(configuration, convolution.precision).unwrap_or(false));
        Ok(allowed.filter_map(|configuration| self.finish(configuration)).next())
    }

    /// The plan of an engine; `None` if the engine does not support the convolution after all.
    fn finish(&self, configuration: &Descriptor) -> Option<Plan> {
        let plan = Descriptor::new(Kind::CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR).ok()?;
        let name = Name::CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG;
        let plan = plan.descriptors(name, &[configuration]).ok()?;
        let plan = match &self.0 {
            Source::Handle(handle) => plan.set(Name::CUDNN_ATTR_EXECUTION_PLAN_HANDLE, &[*handle]),
            Source::Properties(properties) => {
                plan.descriptors(Name::CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, &[properties])
            }
        };
        let plan = plan.and_then(Descriptor::finalize).ok()?;
        let bytes: Vec<i64> = plan.get(Name::CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, 1).ok()?;
        let workspace_bytes = usize::try_from(bytes.first().copied()?).ok()?;
        let engine =
            engines(configuration).ok()?.first()?.get(Name::CUDNN_ATTR_ENGINE_GLOBAL_INDEX, 1).ok()?;
        let engine = *engine.first()?;
        (workspace_bytes <= MOST_WORKSPACE).then_some(Plan { plan, engine, workspace_bytes })
    }

    /// Runs `plan`, which is one of this target.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Safety
    /// The operands x, w and y, or their gradients, the bias and the residual, which are 0 if there is none, and the
    /// workspace are valid device memory of the sizes that the plan demands.
    pub(super) unsafe fn run(
        &self,
        plan: &Plan,
        stream: CUstream,
        operands: [u64; 5],
        workspace: u64,
    ) -> Result<()> {
        let Source::Handle(handle) = &self.0 else {
            return Err(Error::failed("a described GPU runs nothing"));
        };
        let named = || operands.into_iter().zip(IDS).filter(|(address, _)| *address != 0);
        let pointers: Vec<_> = named().map(|(address, _)| address as *mut std::ffi::c_void).collect();
        let ids: Vec<i64> = named().map(|(_, id)| id).collect();
        let pack = Descriptor::new(Kind::CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)?
            .set(Name::CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, &ids)?
            .set(Name::CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, &pointers)?
            .set(Name::CUDNN_ATTR_VARIANT_PACK_WORKSPACE, &[workspace as *mut std::ffi::c_void])?
            .finalize()?;
        // SAFETY: the handle and the stream exist.
        check(unsafe { sys::cudnnSetStream(*handle, stream.cast()) }, "its stream")?;
        // SAFETY: guaranteed by the caller.
        let status = unsafe { sys::cudnnBackendExecute(*handle, plan.plan.handle(), pack.handle()) };
        // A stream that records ends with its recording.
        // SAFETY: the handle exists.
        let reset = unsafe { sys::cudnnSetStream(*handle, std::ptr::null_mut()) };
        check(status, "a convolution")?;
        check(reset, "its stream")
    }
}

/// More scratch memory than this is never taken; another engine is.
const MOST_WORKSPACE: usize = 1 << 30;

/// A convolution with the engine that computes it.
pub struct Plan {
    plan: Descriptor,
    /// cuDNN's number of its engine.
    pub engine: i64,
    /// Bytes of scratch memory.
    pub workspace_bytes: usize,
}

// SAFETY: as for `Target`.
unsafe impl Send for Plan {}

/// The engine of a configuration.
fn engines(configuration: &Descriptor) -> Result<Vec<Descriptor>> {
    let kind = Kind::CUDNN_BACKEND_ENGINE_DESCRIPTOR;
    configuration.get_descriptors(Name::CUDNN_ATTR_ENGINECFG_ENGINE, kind)
}

/// Whether the notes of an engine say that its results are always the same, and that it multiplies numbers of at least
/// `precision` and adds in `f32`.
fn is_allowed(configuration: &Descriptor, precision: Precision) -> Result<bool> {
    let engines = engines(configuration)?;
    let refused = [
        // Multiplies numbers of tf32 or bf16.
        Note::CUDNN_NUMERICAL_NOTE_TENSOR_CORE,
        Note::CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC,
        Note::CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS,
        Note::CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION,
        Note::CUDNN_NUMERICAL_NOTE_FFT,
    ];
    let refused = match precision {
        Precision::F32 => &refused[..],
        Precision::Tf32 | Precision::Bf16 => &refused[1..],
    };
    for engine in &engines {
        let notes: Vec<u32> = engine.get(Name::CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, MOST_NOTES)?;
        if refused.iter().any(|note| notes.contains(&(*note as u32))) {
            return Ok(false);
        }
    }
    Ok(!engines.is_empty())
}

/// More notes than there are.
const MOST_NOTES: usize = 32;
