//! The control socket: a unix socket that root and one group may talk to.

use std::{
    fs, io,
    os::unix::{
        fs::{PermissionsExt, chown},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    process,
};

use nix::unistd::Group;

use super::{Inherited, ListenError, inherited};

/// Owner and group may talk to the socket, nobody else.
const MODE: u32 = 0o660;

/// A control socket; one that we made is removed when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    /// The socket.
    pub listener: UnixListener,
    /// Where it is.
    pub path: PathBuf,
    /// Whether the service manager passed it in.
    pub inherited: bool,
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if !self.inherited {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The control socket: the inherited one if there is one, else a new one at `path` that belongs to
/// `group`. A socket that a dead daemon left there is replaced.
///
/// # Errors
/// [`ListenError::Live`] where a daemon answers there, and others where the socket cannot be made.
pub fn control(
    path: &Path,
    group: Option<&str>,
    inherited: &mut Inherited,
) -> Result<ControlSocket, ListenError> {
    let Some(fd) = inherited.take("control").into_iter().next() else { return make(path, group) };
    let wrong = |source| ListenError::Inherited { role: "control".to_owned(), source };
    let listener = inherited::unix(fd).map_err(wrong)?;
    let bound = listener.local_addr().map_err(wrong)?;
    let path = bound.as_pathname().unwrap_or(path).to_owned();
    Ok(ControlSocket { listener, path, inherited: true })
}

fn make(path: &Path, group: Option<&str>) -> Result<ControlSocket, ListenError> {
    let failed =
        |operation| move |source| ListenError::Control { operation, path: path.to_owned(), source };
    if UnixStream::connect(path).is_ok() {
        return Err(ListenError::Live(path.to_owned()));
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(failed("make the directory of"))?;
    }
    // Made under another name, so that it is never there with other rights than it should have.
    let unfinished = path.with_extension(format!("{}.new", process::id()));
    let listener = UnixListener::bind(&unfinished).map_err(failed("bind"))?;
    let finished = finish(&listener, &unfinished, group)
        .and_then(|()| fs::rename(&unfinished, path).map_err(failed("put in place")));
    if let Err(error) = finished {
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    Ok(ControlSocket { listener, path: path.to_owned(), inherited: false })
}

fn finish(listener: &UnixListener, path: &Path, group: Option<&str>) -> Result<(), ListenError> {
    let failed =
        |operation| move |source| ListenError::Control { operation, path: path.to_owned(), source };
    listener.set_nonblocking(true).map_err(failed("set up"))?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE)).map_err(failed("protect"))?;
    if let Some(name) = group {
        let known = Group::from_name(name)
            .map_err(|errno| failed("look up the group of")(io::Error::from(errno)))?;
        let gid = known.ok_or_else(|| ListenError::Group(name.to_owned()))?.gid;
        chown(path, None, Some(gid.as_raw())).map_err(failed("give to its group"))?;
    }
    Ok(())
}
