//! The Service Control Manager.

use crate::{
    paths::SERVICE_NAME,
    service::{Running, StartType, State},
};
use std::{
    ffi::{OsStr, OsString},
    io,
    path::PathBuf,
    ptr::{null, null_mut},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};
use windows_service::{
    Error, define_windows_service,
    service::{
        Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceControl, ServiceControlAccept,
        ServiceExitCode, ServiceFailureActions, ServiceFailureResetPeriod, ServiceStartType, ServiceState,
        ServiceStatus, ServiceType,
    },
    service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle},
    service_dispatcher,
    service_manager::{ServiceManager, ServiceManagerAccess},
};
use windows_sys::Win32::System::Services::{
    ChangeServiceConfigW, SERVICE_AUTO_START, SERVICE_DEMAND_START, SERVICE_DISABLED, SERVICE_NO_CHANGE,
};

/// `ERROR_SERVICE_DOES_NOT_EXIST`, `ERROR_SERVICE_NOT_ACTIVE`, `ERROR_SERVICE_ALREADY_RUNNING`.
const NO_SUCH_SERVICE: i32 = 1060;
const NOT_ACTIVE: i32 = 1062;
const ALREADY_RUNNING: i32 = 1056;
/// `ERROR_SERVICE_NEVER_STARTED`: not since the system started.
const NEVER_STARTED: u32 = 1077;
/// A start waits for databases to say whose they are; a stop ends within ten seconds, one while it starts within two.
const STARTING: Duration = Duration::from_secs(60);
const STOPPING: Duration = Duration::from_secs(12);

fn open(access: ServiceAccess) -> io::Result<Service> {
    let manager =
        ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT).map_err(told)?;
    manager.open_service(SERVICE_NAME, access).map_err(told)
}

fn told(error: Error) -> io::Error {
    match error {
        Error::Winapi(error) => error,
        other => io::Error::other(other),
    }
}

pub(crate) fn state() -> State {
    let asked = open(ServiceAccess::QUERY_STATUS).and_then(|service| service.query_status().map_err(told));
    match asked {
        Ok(status) => match status.current_state {
            ServiceState::Stopped => State::Stopped,
            ServiceState::StartPending | ServiceState::ContinuePending => State::Starting,
            ServiceState::Running => State::Running,
            ServiceState::StopPending => State::Stopping,
            ServiceState::Paused | ServiceState::PausePending => State::Unknown("paused".to_owned()),
        },
        Err(error) if error.raw_os_error() == Some(NO_SUCH_SERVICE) => State::NotInstalled,
        Err(error) => State::Unknown(error.to_string()),
    }
}

pub(crate) fn program() -> Option<PathBuf> {
    let config = open(ServiceAccess::QUERY_CONFIG).ok()?.query_config().ok()?;
    // A command line: the program, in quotes when its path has spaces, then its arguments.
    let line = config.executable_path.to_string_lossy().into_owned();
    let program = match line.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next(),
        None => line.find(".exe").map(|at| &line[..at + 4]).or(Some(line.as_str())),
    };
    program.map(PathBuf::from)
}

pub(crate) fn start() -> io::Result<()> {
    match open(ServiceAccess::START)?.start::<&OsStr>(&[]).map_err(told) {
        Err(error) if error.raw_os_error() == Some(ALREADY_RUNNING) => Ok(()),
        other => other,
    }
}

pub(crate) fn stop() -> io::Result<()> {
    match open(ServiceAccess::STOP)?.stop().map_err(told) {
        Err(error) if error.raw_os_error() == Some(NOT_ACTIVE) => Ok(()),
        other => other.map(|_| ()),
    }
}

pub(crate) fn start_type() -> Option<StartType> {
    let config = open(ServiceAccess::QUERY_CONFIG).ok()?.query_config().ok()?;
    match config.start_type {
        ServiceStartType::AutoStart => Some(StartType::Automatic),
        ServiceStartType::OnDemand => Some(StartType::Manual),
        ServiceStartType::Disabled => Some(StartType::Disabled),
        ServiceStartType::SystemStart | ServiceStartType::BootStart => None,
    }
}

/// Did somebody stop it? One that failed, or that the system has not come to yet, is not meant to stand still.
pub(crate) fn is_stopped_on_purpose() -> io::Result<bool> {
    let status = open(ServiceAccess::QUERY_STATUS)?.query_status().map_err(told)?;
    Ok(status.current_state == ServiceState::Stopped
        && match status.exit_code {
            ServiceExitCode::Win32(0) => true,
            ServiceExitCode::Win32(NEVER_STARTED) => start_type() == Some(StartType::Manual),
            _ => false,
        })
}

/// Changes how it starts and nothing else.
fn set_start_type(service: &Service, start: StartType) -> io::Result<()> {
    let start = match start {
        StartType::Automatic => SERVICE_AUTO_START,
        StartType::Manual => SERVICE_DEMAND_START,
        StartType::Disabled => SERVICE_DISABLED,
    };
    let (same, none) = (SERVICE_NO_CHANGE, null());
    // SAFETY: the handle is open, and null says of each text that it stays.
    let done = unsafe {
        ChangeServiceConfigW(
            service.raw_handle(),
            same,
            start,
            same,
            none,
            none,
            null_mut(),
            none,
            none,
            none,
            none,
        )
    };
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(crate) fn configure(kept: Option<StartType>) -> Result<(), Vec<String>> {
    let access = ServiceAccess::QUERY_CONFIG | ServiceAccess::CHANGE_CONFIG | ServiceAccess::START;
    let service = open(access).map_err(|error| vec![format!("the service can't be configured: {error}")])?;
    let again = |minutes: u64| ServiceAction {
        action_type: ServiceActionType::Restart,
        delay: Duration::from_secs(60 * minutes),
    };
    let actions = ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(Duration::from_secs(24 * 60 * 60)),
        reboot_msg: None,
        command: None,
        actions: Some(vec![again(1), again(1), again(5)]),
    };
    // Only what starts by itself can start later.
    let start = match kept {
        Some(kept @ (StartType::Manual | StartType::Disabled)) => {
            ("start as it was", set_start_type(&service, kept))
        }
        _ => ("delayed start", service.set_delayed_auto_start(true).map_err(told)),
    };
    let wrong: Vec<String> = [
        start,
        ("restart after a failure", service.update_failure_actions(actions).map_err(told)),
        ("restart after a bad end", service.set_failure_actions_on_non_crash_failures(true).map_err(told)),
    ]
    .into_iter()
    .filter_map(|(what, done)| Some(format!("{what}: {}", done.err()?)))
    .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

type Serve = Box<dyn FnOnce(Running) -> u32 + Send>;

/// What `main` gave to [`dispatch`]: Windows calls back a plain function.
static SERVE: Mutex<Option<Serve>> = Mutex::new(None);

define_windows_service!(called_by_windows, service_main);

pub(crate) fn dispatch(serve: Serve) -> io::Result<()> {
    *SERVE.lock().unwrap_or_else(PoisonError::into_inner) = Some(serve);
    service_dispatcher::start(SERVICE_NAME, called_by_windows).map_err(told)
}

/// Told to stop, and what to do then: whichever comes second acts.
#[derive(Default)]
struct Stop {
    told: bool,
    act: Option<Box<dyn FnOnce() + Send>>,
}

fn service_main(_arguments: Vec<OsString>) {
    let Some(serve) = SERVE.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
    let stop = Arc::new(Mutex::new(Stop::default()));
    let handle = Arc::new(OnceLock::<ServiceStatusHandle>::new());
    let registered = service_control_handler::register(SERVICE_NAME, {
        let (stop, handle) = (stop.clone(), handle.clone());
        move |control| match control {
            ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
            ServiceControl::Stop | ServiceControl::Shutdown | ServiceControl::Preshutdown => {
                let mut stop = stop.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(handle) = handle.get() {
                    let _ = handle.set_service_status(status(ServiceState::StopPending, 0));
                }
                stop.told = true;
                if let Some(act) = stop.act.take() {
                    act();
                }
                ServiceControlHandlerResult::NoError
            }
            _ => ServiceControlHandlerResult::NotImplemented,
        }
    });
    let Ok(registered) = registered else { return };
    let registered = *handle.get_or_init(|| registered);
    let _ = registered.set_service_status(status(ServiceState::StartPending, 0));
    let code = serve(Running {
        up: Box::new({
            let stop = stop.clone();
            move || {
                // Held meanwhile: once it is stopping it does not say again that it runs.
                let stop = stop.lock().unwrap_or_else(PoisonError::into_inner);
                if stop.told {
                    return Ok(());
                }
                registered.set_service_status(status(ServiceState::Running, 0)).map_err(told)
            }
        }),
        on_stop: Box::new(move |act| {
            let mut stop = stop.lock().unwrap_or_else(PoisonError::into_inner);
            if stop.told { act() } else { stop.act = Some(act) }
        }),
    });
    let _ = registered.set_service_status(status(ServiceState::Stopped, code));
}

fn status(state: ServiceState, code: u32) -> ServiceStatus {
    // Before a shutdown Windows leaves more time than in one.
    let stops =
        ServiceControlAccept::STOP | ServiceControlAccept::PRESHUTDOWN | ServiceControlAccept::SHUTDOWN;
    let (controls_accepted, wait_hint) = match state {
        ServiceState::StartPending => (stops, STARTING),
        ServiceState::Running => (stops, Duration::ZERO),
        ServiceState::StopPending => (ServiceControlAccept::empty(), STOPPING),
        _ => (ServiceControlAccept::empty(), Duration::ZERO),
    };
    ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted,
        exit_code: if code == 0 { ServiceExitCode::Win32(0) } else { ServiceExitCode::ServiceSpecific(code) },
        checkpoint: u32::from(!wait_hint.is_zero()),
        wait_hint,
        process_id: None,
    }
}
