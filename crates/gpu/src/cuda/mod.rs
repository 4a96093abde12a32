//! NVIDIA's GPUs through the CUDA driver.

mod compiler;
pub mod cudnn;
mod libraries;

pub use compiler::{compile, version as compiler_version};
pub use libraries::{FOLDERS, Library, folders};

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::{CString, c_int, c_void};
use std::sync::{Mutex, PoisonError};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUdevice_attribute as Attribute};
use striate_tensor::{Error, Result};

use self::cudnn::{Plan, Target};
use crate::convolution::{Convolution, Engine};
use crate::driver::{Driver, Function, Recording, THREADS, file_of};

/// The error about a library that is missing.
pub(crate) fn missing(library: Library) -> Error {
    Error::input(format!("{} not found; {}", library.name(), library.advice()))
}

fn failed(what: &str) -> impl Fn(DriverError) -> Error + '_ {
    move |error| Error::failed(format!("GPU: {what}: {error}"))
}

/// What the driver says about a GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Properties {
    /// Its number, for `--device cuda:N`.
    pub number: usize,
    /// The model.
    pub name: String,
    /// The compute capability, such as `[9, 0]`.
    pub capability: [usize; 2],
    /// Bytes of memory.
    pub memory: usize,
}

impl Properties {
    /// The architecture for the compiler, such as `sm_90`.
    pub fn architecture(&self) -> String {
        let [major, minor] = self.capability;
        format!("sm_{major}{minor}")
    }
}

/// Opens and initializes the driver; returns its version, such as `13.0`.
///
/// # Errors
/// If it is missing, or there is no GPU that it supports.
pub fn driver_version() -> Result<String> {
    Library::Driver.open().ok_or_else(|| missing(Library::Driver))?;
    match result::init() {
        Ok(()) => {}
        Err(DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => {
            return Err(Error::input("NVIDIA's driver finds no GPU; use --device cpu"));
        }
        Err(error) => {
            return Err(Error::input(format!("NVIDIA's driver does not start: {error}; use --device cpu")));
        }
    }
    let mut version = 0;
    // SAFETY: the version is valid for writes.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result().map_err(failed("the driver's version"))?;
    Ok(format!("{}.{}", version / 1000, version % 1000 / 10))
}

/// All GPUs.
///
/// # Errors
/// As [`driver_version`].
pub fn gpus() -> Result<Vec<Properties>> {
    driver_version()?;
    let count = result::device::get_count().map_err(failed("the number of GPUs"))?;
    (0..count).map(properties).collect()
}

fn properties(number: c_int) -> Result<Properties> {
    let fail = failed("its properties");
    let device = result::device::get(number).map_err(&fail)?;
    // SAFETY: the device exists.
    let attribute = |attribute| unsafe { result::device::get_attribute(device, attribute) };
    let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR).map_err(&fail)?;
    let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR).map_err(&fail)?;
    Ok(Properties {
        number: number as usize,
        name: result::device::get_name(device).map_err(&fail)?,
        capability: [major, minor].map(|version| version as usize),
        // SAFETY: the device exists.
        memory: unsafe { result::device::total_mem(device) }.map_err(&fail)?,
    })
}

/// A GPU with the kernels that have been compiled for it.
pub struct Cuda {
    properties: Properties,
    driver_version: String,
    compiler_version: String,
    context: Context,
    kernels: Mutex<Kernels>,
    /// cuDNN, if it is there.
    cudnn: Option<Cudnn>,
    recordings: Mutex<Vec<Option<Recorded>>>,
}

/// cuDNN with the convolutions that it has planned.
struct Cudnn {
    version: String,
    /// Freed before the handle in the target.
    planned: Mutex<Planned>,
    target: Target,
}

#[derive(Default)]
struct Planned {
    engines: HashMap<Convolution, Option<Engine>>,
    plans: Vec<Plan>,
}

#[derive(Default)]
struct Kernels {
    /// The files that are loaded, by name.
    modules: HashMap<&'static str, Module>,
    functions: HashMap<String, Function>,
    handles: Vec<Handle>,
}

/// A graph of launches that the driver has prepared.
#[derive(Clone, Copy)]
struct Recorded(sys::CUgraphExec);

#[derive(Clone, Copy)]
struct Context(sys::CUcontext);
#[derive(Clone, Copy)]
struct Module(sys::CUmodule);
#[derive(Clone, Copy)]
struct Handle(sys::CUfunction);

// SAFETY: the driver allows the use of contexts from any thread.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}
// SAFETY: the driver allows the use of graphs from any thread, one at a time, which a lock ensures.
unsafe impl Send for Recorded {}
// SAFETY: the driver allows the use of modules from any thread.
unsafe impl Send for Module {}
// SAFETY: the driver allows the use of functions from any thread.
unsafe impl Send for Handle {}

impl Cuda {
    /// Opens GPU number `number`.
    ///
    /// # Errors
    /// If a library is missing, or the machine has no GPU with this number.
    pub fn open(number: usize) -> Result<Cuda> {
        let driver_version = driver_version()?;
        let compiler_version = compiler::version()?;
        let gpus = gpus()?;
        let count = gpus.len();
        let properties = gpus.into_iter().nth(number).ok_or_else(|| {
            let last = count.saturating_sub(1);
            Error::input(format!("--device cuda:{number}: this machine's GPUs have the numbers 0 to {last}"))
        })?;
        let device = result::device::get(number as c_int).map_err(failed("the device"))?;
        // SAFETY: the device exists.
        let context = unsafe { result::primary_ctx::retain(device) }.map_err(failed("its context"))?;
        // SAFETY: the context exists.
        unsafe { result::ctx::set_current(context) }.map_err(failed("its context"))?;
        // Without cuDNN, or with one that does not support this GPU, own kernels compute convolutions.
        let cudnn = cudnn::version().ok().zip(Target::current().ok());
        let cudnn = cudnn.map(|(version, target)| Cudnn { version, target, planned: Mutex::default() });
        Ok(Cuda {
            properties,
            driver_version,
            compiler_version,
            context: Context(context),
            kernels: Mutex::default(),
            cudnn,
            recordings: Mutex::default(),
        })
    }

    /// Makes the calling thread use this GPU.
    fn enter(&self) -> Result<()> {
        // SAFETY: the context exists as long as the process.
        unsafe { result::ctx::set_current(self.context.0) }.map_err(failed("its context"))
    }

    /// Compiles and loads the file that contains the kernel `name`.
    fn load(&self, kernels: &mut Kernels, name: &str) -> Result<Module> {
        let (file, text) = file_of(name).ok_or_else(|| Error::failed(format!("unknown kernel {name}")))?;
        if let Some(module) = kernels.modules.get(file) {
            return Ok(*module);
        }
        let code = compile(file, text, &self.properties.architecture())?;
        // SAFETY: the code is an image made for this GPU.
        let module = unsafe { result::module::load_data(code.as_ptr().cast()) }.map_err(failed(file))?;
        kernels.modules.insert(file, Module(module));
        Ok(Module(module))
    }
}

thread_local! {
    /// The stream on which this thread records, or the default stream, on which everything runs.
    static STREAM: Cell<sys::CUstream> = const { Cell::new(std::ptr::null_mut()) };
}

/// The stream for what this thread launches.
fn stream() -> sys::CUstream {
    STREAM.get()
}

impl Driver for Cuda {
    fn name(&self) -> String {
        let without = if self.cudnn.is_none() { " without cuDNN" } else { "" };
        format!("cuda:{} {}{without}", self.properties.number, self.properties.name)
    }

    fn arithmetic(&self) -> String {
        let Cuda { properties, driver_version, compiler_version, .. } = self;
        let cudnn = self.cudnn.as_ref().map_or("none", |cudnn| &cudnn.version);
        let versions = format!("driver {driver_version}, nvrtc {compiler_version}, cudnn {cudnn}");
        format!("cuda {}, {versions}", properties.name)
    }

    fn allocate(&self, bytes: usize) -> Result<u64> {
        self.enter()?;
        // SAFETY: the memory is set before anything reads it.
        unsafe {
            let address = match result::malloc_sync(bytes) {
                Ok(address) => address,
                Err(DriverError(sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => {
                    let free = result::mem_get_info().map_or(0, |(free, _)| free);
                    let what = "not enough memory on the GPU";
                    return Err(Error::failed(format!(
                        "{what}: {bytes} bytes needed, {free} free; use a smaller batch"
                    )));
                }
                Err(error) => return Err(failed("memory")(error)),
            };
            result::memset_d8_sync(address, 0, bytes).map_err(failed("memory"))?;
            Ok(address)
        }
    }

    fn free_memory(&self) -> Result<Option<usize>> {
        self.enter()?;
        let (free, _) = result::mem_get_info().map_err(failed("its memory"))?;
        Ok(Some(free))
    }

    unsafe fn free(&self, address: u64, _bytes: usize) {
        // Nothing can be done about a failure here; the process's memory is freed with it.
        if self.enter().is_ok() {
            // SAFETY: guaranteed by the caller.
            let _ = unsafe { result::free_sync(address) };
        }
    }

    unsafe fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        self.enter()?;
        // SAFETY: guaranteed by the caller.
        unsafe { result::memcpy_htod_sync(address, bytes) }.map_err(failed("copying to it"))
    }

    unsafe fn read(&self, address: u64, bytes: &mut [u8]) -> Result<()> {
        self.enter()?;
        // SAFETY: guaranteed by the caller.
        unsafe { result::memcpy_dtoh_sync(bytes, address) }.map_err(failed("copying from it"))
    }

    fn function(&self, name: &str) -> Result<Function> {
        let mut kernels = self.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(function) = kernels.functions.get(name) {
            return Ok(*function);
        }
        self.enter()?;
        let module = self.load(&mut kernels, name)?;
        let symbol = CString::new(name).expect("names of kernels contain no null bytes");
        // SAFETY: the module is loaded.
        let handle = unsafe { result::module::get_function(module.0, symbol) }.map_err(failed(name))?;
        kernels.handles.push(Handle(handle));
        let function = Function(kernels.handles.len() - 1);
        kernels.functions.insert(name.to_owned(), function);
        Ok(function)
    }

    unsafe fn launch(&self, function: Function, blocks: usize, words: &[u64]) -> Result<()> {
        let handle = self.kernels.lock().unwrap_or_else(PoisonError::into_inner).handles[function.0];
        self.enter()?;
        let mut arguments = [words.as_ptr().cast::<c_void>().cast_mut()];
        let (grid, block) = ((blocks as u32, 1, 1), (THREADS as u32, 1, 1));
        // SAFETY: guaranteed by the caller; the only parameter is the struct that the words fill.
        unsafe { result::launch_kernel(handle.0, grid, block, 0, stream(), &mut arguments) }
            .map_err(failed("a kernel"))
    }

    fn convolution(&self, convolution: &Convolution) -> Result<Option<Engine>> {
        let Some(cudnn) = &self.cudnn else { return Ok(None) };
        self.enter()?;
        let mut planned = cudnn.planned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = planned.engines.get(convolution) {
            return Ok(*engine);
        }
        let plan = cudnn.target.plan(convolution);
        let (number, workspace_bytes) = (planned.plans.len(), plan.as_ref().map(|plan| plan.workspace_bytes));
        planned.plans.extend(plan);
        let engine = workspace_bytes.map(|workspace_bytes| Engine { number, workspace_bytes });
        planned.engines.insert(*convolution, engine);
        Ok(engine)
    }

    fn engine_name(&self, engine: Engine) -> String {
        let index = self.cudnn.as_ref().map(|cudnn| {
            cudnn.planned.lock().unwrap_or_else(PoisonError::into_inner).plans[engine.number].engine
        });
        format!("cudnn engine {}", index.unwrap_or_default())
    }

    unsafe fn convolve(&self, engine: Engine, operands: [u64; 5], workspace: u64) -> Result<()> {
        let cudnn = self.cudnn.as_ref().ok_or_else(|| missing(Library::Cudnn))?;
        self.enter()?;
        let planned = cudnn.planned.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: guaranteed by the caller.
        unsafe { cudnn.target.run(&planned.plans[engine.number], stream(), operands, workspace) }
    }

    fn begin_recording(&self) -> Result<()> {
        self.enter()?;
        let fail = failed("a recording");
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking).map_err(&fail)?;
        // Libraries may query the driver meanwhile.
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the stream was just created.
        let begun = unsafe { result::stream::begin_capture(stream, mode) };
        if let Err(error) = begun {
            // SAFETY: nothing else knows it.
            let _ = unsafe { result::stream::destroy(stream) };
            return Err(fail(error));
        }
        STREAM.set(stream);
        Ok(())
    }

    fn end_recording(&self) -> Result<Recording> {
        let (stream, fail) = (STREAM.replace(std::ptr::null_mut()), failed("a recording"));
        // SAFETY: the stream exists and records; its graph is used only here.
        unsafe {
            let graph = result::stream::end_capture(stream);
            let _ = result::stream::destroy(stream);
            let graph = graph.map_err(&fail)?;
            let prepared = result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0));
            let _ = result::graph::destroy(graph);
            let prepared = Recorded(prepared.map_err(&fail)?);
            let mut recordings = self.recordings.lock().unwrap_or_else(PoisonError::into_inner);
            recordings.push(Some(prepared));
            Ok(Recording(recordings.len() - 1))
        }
    }

    unsafe fn replay(&self, recording: Recording) -> Result<()> {
        self.enter()?;
        let recordings = self.recordings.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Recorded(graph)) = recordings[recording.0] else {
            return Err(Error::failed("a recording was deleted"));
        };
        // SAFETY: guaranteed by the caller.
        unsafe { result::graph::launch(graph, std::ptr::null_mut()) }.map_err(failed("a recording"))
    }

    unsafe fn forget(&self, recording: Recording) {
        let mut recordings = self.recordings.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(Recorded(graph)), Ok(())) = (recordings[recording.0].take(), self.enter()) {
            // SAFETY: guaranteed by the caller.
            let _ = unsafe { result::graph::exec_destroy(graph) };
        }
    }

    fn wait(&self) -> Result<()> {
        self.enter()?;
        result::ctx::synchronize().map_err(failed("a kernel"))
    }
}
