//! The control plane's unix sockets: the control socket, for whoever may do everything, and the status
//! socket, for whoever may look. Root, the owner and one group may talk to each.

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

/// Where a socket is to be, and whose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixAddress {
    /// Its path.
    pub path: PathBuf,
    /// Group that may talk to it; the daemon's own where there is none.
    pub group: Option<String>,
}

/// One of the control plane's sockets; one that we made is removed when this is dropped.
#[derive(Debug)]
pub struct ControlSocket {
    /// What it is for: `control` or `status`.
    pub role: &'static str,
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

/// The sockets that the control plane answers on.
#[derive(Debug)]
pub struct ControlSockets {
    /// For everything.
    pub control: ControlSocket,
    /// For looking.
    pub status: Option<ControlSocket>,
}

impl ControlSockets {
    /// Every one that there is; the control socket comes last.
    pub fn all(&self) -> impl Iterator<Item = &ControlSocket> {
        self.status.iter().chain([&self.control])
    }
}

/// The sockets of the control plane: inherited ones, else new ones. Where the service manager passes in the
/// control socket but no status socket, there is none: it decides which there are. A socket that a dead
/// daemon left is replaced.
///
/// # Errors
/// [`ListenError::Live`] where a daemon answers there, and others where a socket cannot be made.
pub fn control(
    control: &UnixAddress,
    status: &UnixAddress,
    inherited: &mut Inherited,
) -> Result<ControlSockets, ListenError> {
    let passed = take("control", control, inherited)?;
    let passed_status = take("status", status, inherited)?;
    let managed = passed.is_some();
    let made = |role, address| move || make(role, address);
    let control = passed.map_or_else(made("control", control), Ok)?;
    let status = match passed_status {
        None if !managed => Some(make("status", status)?),
        passed => passed,
    };
    Ok(ControlSockets { control, status })
}

/// The socket that was passed in for `role`, if there is one.
fn take(
    role: &'static str,
    address: &UnixAddress,
    inherited: &mut Inherited,
) -> Result<Option<ControlSocket>, ListenError> {
    let Some(fd) = inherited.take(role).into_iter().next() else { return Ok(None) };
    let wrong = |source| ListenError::Inherited { role: role.to_owned(), source };
    let listener = inherited::unix(fd).map_err(wrong)?;
    let bound = listener.local_addr().map_err(wrong)?;
    let path = bound.as_pathname().unwrap_or(&address.path).to_owned();
    Ok(Some(ControlSocket { role, listener, path, inherited: true }))
}

fn make(role: &'static str, address: &UnixAddress) -> Result<ControlSocket, ListenError> {
    let UnixAddress { path, group } = address;
    let failed =
        |operation| move |source| ListenError::Control { operation, path: path.clone(), source };
    if UnixStream::connect(path).is_ok() {
        return Err(ListenError::Live(path.clone()));
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(failed("make the directory of"))?;
    }
    // Made under another name, so that it is never there with other rights than it should have.
    let unfinished = path.with_extension(format!("{}.new", process::id()));
    let listener = UnixListener::bind(&unfinished).map_err(failed("bind"))?;
    let finished = finish(&listener, &unfinished, group.as_deref())
        .and_then(|()| fs::rename(&unfinished, path).map_err(failed("put in place")));
    if let Err(error) = finished {
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    Ok(ControlSocket { role, listener, path: path.clone(), inherited: false })
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
