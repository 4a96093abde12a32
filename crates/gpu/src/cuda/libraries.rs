//! NVIDIA's libraries: where they are looked for, and what is missing.
//!
//! Striate contains none of them. The system's loader is asked first. Then come the folders that pip installs them to,
//! which are in no search path: a library that is open is found by its name from then on.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::Library as Handle;
use striate_tensor::file::list_folder;

/// The environment variable that names folders to search, separated by colons.
pub const FOLDERS: &str = "STRIATE_CUDA";

/// A library that the device needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// NVIDIA's driver.
    Driver,
    /// The compiler of kernels.
    Nvrtc,
    /// The library of convolutions.
    Cudnn,
    /// The library of matrix products, without which cuDNN ends the process.
    CublasLt,
}

impl Library {
    /// All of them.
    pub const ALL: [Library; 4] = [Library::Driver, Library::Nvrtc, Library::Cudnn, Library::CublasLt];

    /// The name for output.
    pub fn name(self) -> &'static str {
        match self {
            Library::Driver => "NVIDIA driver",
            Library::Nvrtc => "NVRTC",
            Library::Cudnn => "cuDNN",
            Library::CublasLt => "cuBLASLt",
        }
    }

    /// The names of its file, those of later versions first.
    fn files(self) -> &'static [&'static str] {
        match self {
            Library::Driver => &["libcuda.so.1", "libcuda.so", "nvcuda.dll"],
            Library::Nvrtc => &["libnvrtc.so.13", "libnvrtc.so.12", "nvrtc64_130_0.dll", "nvrtc64_120_0.dll"],
            Library::Cudnn => &["libcudnn.so.9", "cudnn64_9.dll"],
            Library::CublasLt => {
                &["libcublasLt.so.13", "libcublasLt.so.12", "cublasLt64_13.dll", "cublasLt64_12.dll"]
            }
        }
    }

    /// How to install it.
    pub fn advice(self) -> &'static str {
        match self {
            Library::Driver => "install NVIDIA's driver for this machine's GPU, or use --device cpu",
            Library::Nvrtc => {
                "install it with pip install nvidia-cuda-nvrtc, or name its folder in STRIATE_CUDA"
            }
            Library::Cudnn => {
                "install it with pip install nvidia-cudnn-cu13, or name its folder in STRIATE_CUDA"
            }
            Library::CublasLt => {
                "install it with pip install nvidia-cublas, or name its folder in STRIATE_CUDA"
            }
        }
    }

    /// Opens the library and keeps it open; returns the folder where it was found, or `None` within that if the
    /// system's loader found it.
    pub fn open(self) -> Option<Option<PathBuf>> {
        static OPEN: [OnceLock<Option<Option<PathBuf>>>; 4] = [const { OnceLock::new() }; 4];
        OPEN[self as usize].get_or_init(|| self.find()).clone()
    }

    /// A function that the right library has.
    fn symbol(self) -> &'static [u8] {
        match self {
            Library::Driver => b"cuInit",
            Library::Nvrtc => b"nvrtcCompileProgram",
            Library::Cudnn => b"cudnnBackendExecute",
            Library::CublasLt => b"cublasLtCreate",
        }
    }

    /// Whether the bindings find the library by one of the names that they try.
    fn is_bound(self) -> bool {
        // SAFETY: NVIDIA's libraries may be loaded at any time.
        unsafe {
            match self {
                Library::Driver => cudarc::driver::sys::is_culib_present(),
                Library::Nvrtc => cudarc::nvrtc::sys::is_culib_present(),
                Library::Cudnn => cudarc::cudnn::sys::is_culib_present(),
                // Only cuDNN calls it.
                Library::CublasLt => true,
            }
        }
    }

    fn find(self) -> Option<Option<PathBuf>> {
        // All versions, because the reader of a library decides which one it needs.
        let open = |folder: &Path| {
            let files = self.files().iter().filter(|file| keep_open(&folder.join(file), self.symbol()));
            files.count() > 0
        };
        let found = if open(Path::new("")) {
            None
        } else {
            let mut folders = folders().into_iter().filter(|folder| {
                // The compiler looks for a second library by name.
                for path in files_starting(folder, "libnvrtc-builtins.so") {
                    keep_open(&path, b"");
                }
                open(folder)
            });
            let first = folders.next()?;
            if self == Library::CublasLt {
                folders.for_each(drop);
            }
            Some(first)
        };
        self.is_bound().then_some(found)
    }
}

/// Opens the library at `path` for as long as the process runs; returns whether that succeeded, and it has `symbol`.
fn keep_open(path: &Path, symbol: &[u8]) -> bool {
    // SAFETY: NVIDIA's libraries may be loaded at any time; the symbol is not used.
    unsafe {
        let Ok(library) = Handle::new(path) else { return false };
        let is_right = symbol.is_empty() || library.get::<unsafe extern "C" fn()>(symbol).is_ok();
        if is_right {
            std::mem::forget(library);
        }
        is_right
    }
}

/// The folders to search besides those of the system's loader.
pub fn folders() -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = Vec::new();
    if let Some(named) = std::env::var_os(FOLDERS) {
        roots.extend(std::env::split_paths(&named).filter(|root| !root.as_os_str().is_empty()));
    }
    let prefixes =
        ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(std::env::var_os).map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let local = home.iter().map(|home| home.join(".local"));
    // The prefixes of the Pythons that the shell finds, and of those that pyenv has installed.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let shell = std::env::split_paths(&path).filter(|folder| folder.join("python3").exists());
    let shell: Vec<PathBuf> = shell.filter_map(|folder| Some(folder.parent()?.to_owned())).collect();
    let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from);
    let pyenv = pyenv.or_else(|| Some(home.as_ref()?.join(".pyenv")));
    let versions = pyenv.map(|root| files_starting(&root.join("versions"), "")).unwrap_or_default();
    let system = ["/usr/local", "/usr"].map(PathBuf::from);
    let all = prefixes.chain(local).chain(shell).chain(versions).chain(system);
    for prefix in all {
        for python in files_starting(&prefix.join("lib"), "python3") {
            let packages =
                ["site-packages", "dist-packages"].map(|packages| python.join(packages).join("nvidia"));
            roots.extend(packages.into_iter().filter(|folder| folder.is_dir()));
        }
    }
    roots.push(PathBuf::from("/usr/local/cuda"));
    // A folder with libraries, an installation with `lib64`, or pip's folder with a folder for each library.
    let mut all = Vec::new();
    for root in roots {
        let inner = files_starting(&root, "").into_iter().map(|folder| folder.join("lib"));
        let candidates = [root.clone(), root.join("lib"), root.join("lib64")].into_iter().chain(inner);
        all.extend(candidates.filter(|folder| folder.is_dir()));
    }
    all
}

/// The entries of `folder` whose names start with `start`, in order.
fn files_starting(folder: &Path, start: &str) -> Vec<PathBuf> {
    let starts =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start));
    let mut found = list_folder(folder).unwrap_or_default();
    found.retain(starts);
    found.sort();
    found
}
