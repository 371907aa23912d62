//! Which daemon is meant: flags before environment, the more exact before the less.

use std::path::{Path, PathBuf};

use super::args::{DaemonArgs, instance};
use super::error::CliError;
use crate::api::wire::DEFAULT_INSTANCE;
use crate::io::instance::{RUN_ROOT, socket_path};

/// A daemon: its socket and, unless only the socket is known, the name of its instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) socket: PathBuf,
    pub(super) instance: Option<String>,
}

impl Target {
    /// `--socket`, `--instance`, `PIVOT_SOCKET`, `PIVOT_INSTANCE`, the default: the first that is there. An empty
    /// variable is as good as none.
    ///
    /// # Errors
    /// Wrong usage, if `PIVOT_INSTANCE` is no name of an instance.
    pub(super) fn resolve(
        flags: DaemonArgs,
        variable: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<Self, CliError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        if let Some(socket) = flags.socket {
            return Ok(Self { socket, instance: None });
        }
        if let Some(name) = flags.instance {
            return Ok(Self::of_instance(name));
        }
        if let Some(socket) = variable("PIVOT_SOCKET") {
            return Ok(Self { socket: socket.into(), instance: None });
        }
        let Some(name) = variable("PIVOT_INSTANCE") else { return Ok(Self::of_instance(DEFAULT_INSTANCE.into())) };
        let name = name.to_string_lossy();
        let checked = instance(&name).map_err(|why| CliError::Usage(format!("PIVOT_INSTANCE is '{name}': {why}")))?;
        Ok(Self::of_instance(checked))
    }

    fn of_instance(name: String) -> Self {
        Self { socket: socket_path(&name, Path::new(RUN_ROOT)), instance: Some(name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(socket: Option<&str>, instance: Option<&str>, environment: &[(&str, &str)]) -> Result<String, String> {
        let flags = DaemonArgs { socket: socket.map(PathBuf::from), instance: instance.map(str::to_owned) };
        let find = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into());
        Target::resolve(flags, find)
            .map(|target| target.socket.display().to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn flags_win_over_environment_and_sockets_over_instances() {
        let both = [("PIVOT_SOCKET", "/env.sock"), ("PIVOT_INSTANCE", "env")];
        assert_eq!(resolve(Some("/flag.sock"), None, &both).unwrap(), "/flag.sock");
        assert_eq!(resolve(None, Some("flag"), &both).unwrap(), "/run/pivot/flag/api.sock");
        assert_eq!(resolve(None, None, &both).unwrap(), "/env.sock");
        assert_eq!(resolve(None, None, &both[1..]).unwrap(), "/run/pivot/env/api.sock");
        assert_eq!(resolve(None, None, &[]).unwrap(), "/run/pivot/pivot/api.sock");
    }

    #[test]
    fn an_empty_variable_is_as_good_as_none_and_a_bad_one_is_refused() {
        let empty = [("PIVOT_SOCKET", ""), ("PIVOT_INSTANCE", "")];
        assert_eq!(resolve(None, None, &empty).unwrap(), "/run/pivot/pivot/api.sock");
        let error = resolve(None, None, &[("PIVOT_INSTANCE", "../x")]).unwrap_err();
        assert!(error.starts_with("PIVOT_INSTANCE is '../x': "), "{error}");
    }
}
