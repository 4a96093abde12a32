//! Signals: those that ask the program to stop, the one for files that grow too large, and the one for pipes
//! that nobody reads any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use striate_tensor::{Error, Result};

/// Knows whether a signal has asked the program to stop.
pub struct Signals(Arc<AtomicBool>);

impl Signals {
    /// Makes Ctrl-C and SIGTERM ask the program to stop; a second one ends it at once.
    pub fn heed() -> Result<Signals> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let stop = Arc::default();
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))
                .map_err(unregistered)?;
            signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(unregistered)?;
        }
        Ok(Signals(stop))
    }

    /// Returns whether a signal has asked the program to stop.
    pub fn ask_to_stop(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Makes a limit on file sizes an error of the write instead of the silent end of the program.
pub fn heed_file_sizes() -> Result<()> {
    #[cfg(unix)]
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default()).map_err(unregistered)?;
    Ok(())
}

/// Makes a pipe whose reader has gone, as in `striate models | head`, end the program silently.
pub fn end_with_closed_pipes() -> Result<()> {
    #[cfg(unix)]
    {
        let always = Arc::new(AtomicBool::new(true));
        signal_hook::flag::register_conditional_default(signal_hook::consts::SIGPIPE, always)
            .map_err(unregistered)?;
    }
    Ok(())
}

fn unregistered(cause: std::io::Error) -> Error {
    Error::failed(format!("cannot install a signal handler: {cause}"))
}
