//! A thread of another process that does not run for a while, as if it were wedged: stopped by ptrace(2), which,
//! unlike a signal, can stop one thread and leave the others alone.

use std::{fs, io, marker::PhantomData, ptr, thread};

use crate::Process;

/// A stopped thread; it runs again when this is dropped. Only the thread that stopped it can let it go.
#[derive(Debug)]
pub struct PausedThread {
    tid: libc::pid_t,
    not_send: PhantomData<*const ()>,
}

impl PausedThread {
    /// Stops the thread `name` of `process`.
    #[must_use]
    pub fn of(process: &Process, name: &str) -> Self {
        let tid = thread_named(process.pid(), name);
        request(libc::PTRACE_SEIZE, tid);
        request(libc::PTRACE_INTERRUPT, tid);
        wait_until_stopped(tid);
        Self { tid, not_send: PhantomData }
    }
}

impl Drop for PausedThread {
    fn drop(&mut self) {
        if !thread::panicking() {
            request(libc::PTRACE_DETACH, self.tid);
        }
    }
}

fn thread_named(pid: u32, name: &str) -> libc::pid_t {
    let is_named = |task: &fs::DirEntry| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    };
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().map(Result::unwrap);
    let named: Vec<_> = tasks.filter(is_named).collect();
    assert_eq!(named.len(), 1, "threads named {name} of process {pid}");
    named[0].file_name().to_str().unwrap().parse().unwrap()
}

#[expect(unsafe_code, reason = "ptrace(2) has no safe form here")]
fn request(request: libc::c_uint, tid: libc::pid_t) {
    // SAFETY: these requests take no address and no data, and write to no memory of ours.
    let result = unsafe {
        libc::ptrace(request, tid, ptr::null_mut::<libc::c_void>(), ptr::null_mut::<libc::c_void>())
    };
    let error = io::Error::last_os_error();
    assert_eq!(result, 0, "ptrace request {request:#x} on thread {tid}: {error}");
}

#[expect(unsafe_code, reason = "only waitpid(2) tells of a thread's stop")]
fn wait_until_stopped(tid: libc::pid_t) {
    let mut status = 0;
    // SAFETY: `status` is valid for writing, and the thread is traced by this one.
    let waited = unsafe { libc::waitpid(tid, &raw mut status, libc::__WALL) };
    assert!(waited == tid && libc::WIFSTOPPED(status), "thread {tid} did not stop: {waited}");
}
