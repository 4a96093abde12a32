//! Compiles kernels to machine code.

use std::ffi::CString;

use cudarc::nvrtc::{result, sys};
use striate_tensor::{Error, Result};

use super::Library;
use crate::driver::COMMON;

/// The version of the compiler, such as `13.0`.
///
/// # Errors
/// If it is missing.
pub fn version() -> Result<String> {
    require()?;
    let (mut major, mut minor) = (0, 0);
    // SAFETY: both are valid for writes.
    let status = unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    status.result().map_err(|e| failed("its version", &e))?;
    Ok(format!("{major}.{minor}"))
}

/// Returns the machine code for an architecture, such as `sm_90`, of a file of kernels.
///
/// # Errors
/// If the compiler is missing, does not know the architecture, or finds an error.
pub fn compile(name: &str, text: &str, architecture: &str) -> Result<Vec<u8>> {
    require()?;
    let source = CString::new([COMMON, text].concat()).expect("sources contain no null bytes");
    let file = CString::new(name).expect("names contain no null bytes");
    let program = result::create_program(&source, Some(&file)).map_err(|e| failed(name, &e))?;
    let options = [format!("--gpu-architecture={architecture}"), "--std=c++17".into(), "--fmad=true".into()];
    // SAFETY: the program was just created, and is destroyed only after its last use.
    unsafe {
        let compiled = result::compile_program(program, &options);
        let code = match compiled {
            Ok(()) => machine_code(program),
            Err(error) => Err(error),
        };
        let code = code.map_err(|error| {
            let log = result::get_program_log(program).unwrap_or_default();
            let log: String = log.iter().take_while(|c| **c != 0).map(|c| *c as u8 as char).collect();
            let first = log.lines().find(|line| line.contains("error")).unwrap_or("").trim();
            Error::failed(format!("{name} for {architecture}: {error} {first}"))
        });
        let _ = result::destroy_program(program);
        code
    }
}

/// # Safety
/// The program must have been compiled.
unsafe fn machine_code(program: sys::nvrtcProgram) -> Result<Vec<u8>, result::NvrtcError> {
    let mut size = 0;
    // SAFETY: the size is valid for writes, and the code has as many bytes.
    unsafe {
        sys::nvrtcGetCUBINSize(program, &raw mut size).result()?;
        let mut code = vec![0u8; size];
        sys::nvrtcGetCUBIN(program, code.as_mut_ptr().cast()).result()?;
        Ok(code)
    }
}

fn require() -> Result<()> {
    match Library::Nvrtc.open() {
        Some(_) => Ok(()),
        None => Err(super::missing(Library::Nvrtc)),
    }
}

fn failed(what: &str, error: &result::NvrtcError) -> Error {
    Error::failed(format!("NVRTC, the compiler of kernels: {what}: {error}"))
}
