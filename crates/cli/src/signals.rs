//! Signals: requests to stop, files beyond a size limit, and closed pipes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use striate_tensor::{Error, Result};

/// Records whether a signal has requested a stop.
pub struct Signals(Arc<AtomicBool>);

impl Signals {
    /// Makes Ctrl-C and SIGTERM request a stop; a second one ends the program immediately.
    pub fn install() -> Result<Signals> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        let stop = Arc::default();
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&stop))
                .map_err(unregistered)?;
            signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(unregistered)?;
        }
        Ok(Signals(stop))
    }

    /// Returns whether a signal has requested a stop.
    pub fn stop_requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Turns exceeding a limit on file sizes into a write error instead of a silent end of the program.
pub fn catch_file_size_limit() -> Result<()> {
    #[cfg(unix)]
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default()).map_err(unregistered)?;
    Ok(())
}

/// Lets a closed pipe, as in `striate models | head`, end the program silently.
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
