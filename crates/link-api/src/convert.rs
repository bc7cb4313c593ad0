//! Between the wire and the words: every message is checked here once, against the limits, and is typed from then on.

use crate::proto;
use model::{
    Catalogue, Command, CommandType, DeviceId, Direction, Effect, ErrorDetails, ErrorType, ExecutionMode,
    Hidden, Parameter, ParameterType, Pms, QueryId, SiteFacts, Timestamp, limit,
};

/// What is wrong with a message. Names the field, never quotes a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

fn invalid<T>(what: impl Into<String>) -> Result<T, Invalid> {
    Err(Invalid(what.into()))
}

/// A query's identifier: exactly 16 bytes.
pub fn query_id(bytes: &[u8]) -> Result<QueryId, Invalid> {
    QueryId::from_slice(bytes).ok_or_else(|| Invalid("queryId is not 16 bytes".to_owned()))
}

/// The device that a desktop application runs on; `None`: the integrator's own server asks.
pub fn device(text: Option<&str>) -> Result<Option<DeviceId>, Invalid> {
    text.map(DeviceId::parse).transpose().map_err(|_| Invalid("device is not the name of one".to_owned()))
}

/// A command for the wire.
pub fn command_to_proto(command: &Command) -> proto::Command {
    proto::Command {
        text: command.text.reveal().clone(),
        mode: match command.mode {
            ExecutionMode::Reader => proto::Mode::Reader,
            ExecutionMode::NonQuery => proto::Mode::NonQuery,
            ExecutionMode::Scalar => proto::Mode::Scalar,
        }
        .into(),
        kind: match command.kind {
            CommandType::Text => proto::CommandKind::Text,
            CommandType::StoredProcedure => proto::CommandKind::StoredProcedure,
        }
        .into(),
        parameters: command.parameters.iter().map(parameter_to_proto).collect(),
        catalogue: command.catalogue.clone(),
    }
}

/// A parameter for the wire.
pub fn parameter_to_proto(parameter: &Parameter) -> proto::Parameter {
    proto::Parameter {
        name: parameter.name.clone(),
        direction: match parameter.direction {
            Direction::Input => proto::Direction::Input,
            Direction::Output => proto::Direction::Output,
            Direction::InputOutput => proto::Direction::InputOutput,
            Direction::ReturnValue => proto::Direction::ReturnValue,
        }
        .into(),
        r#type: parameter.kind.name().to_owned(),
        value: parameter.value.as_ref().map(|value| value.reveal().clone()),
        size: parameter.size,
        type_name: parameter.type_name.clone(),
    }
}

/// A command off the wire, within the limits.
pub fn command_from_proto(command: proto::Command) -> Result<Command, Invalid> {
    let mode = match proto::Mode::try_from(command.mode) {
        Ok(proto::Mode::Reader) => ExecutionMode::Reader,
        Ok(proto::Mode::NonQuery) => ExecutionMode::NonQuery,
        Ok(proto::Mode::Scalar) => ExecutionMode::Scalar,
        _ => return invalid("command.mode is not one that this Link knows"),
    };
    let kind = match proto::CommandKind::try_from(command.kind) {
        Ok(proto::CommandKind::Text) => CommandType::Text,
        Ok(proto::CommandKind::StoredProcedure) => CommandType::StoredProcedure,
        _ => return invalid("command.kind is not one that this Link knows"),
    };
    if command.text.len() > limit::COMMAND_TEXT_BYTES {
        return invalid(format!("command.text is longer than {} bytes", limit::COMMAND_TEXT_BYTES));
    }
    if command.parameters.len() > limit::PARAMETERS {
        return invalid(format!("more than {} parameters", limit::PARAMETERS));
    }
    if command.catalogue.as_ref().is_some_and(|name| name.len() > limit::NAME_BYTES) {
        return invalid(format!("catalogue is longer than {} bytes", limit::NAME_BYTES));
    }
    let parameters = command.parameters.into_iter().map(parameter_from_proto).collect::<Result<_, _>>()?;
    Ok(Command { text: Hidden::new(command.text), mode, kind, parameters, catalogue: command.catalogue })
}

/// A parameter off the wire.
pub fn parameter_from_proto(parameter: proto::Parameter) -> Result<Parameter, Invalid> {
    if parameter.name.len() > limit::NAME_BYTES {
        return invalid(format!("a parameter's name is longer than {} bytes", limit::NAME_BYTES));
    }
    if parameter.type_name.as_ref().is_some_and(|name| name.len() > limit::NAME_BYTES) {
        return invalid(format!("a parameter's type name is longer than {} bytes", limit::NAME_BYTES));
    }
    let direction = match proto::Direction::try_from(parameter.direction) {
        Ok(proto::Direction::Input) => Direction::Input,
        Ok(proto::Direction::Output) => Direction::Output,
        Ok(proto::Direction::InputOutput) => Direction::InputOutput,
        Ok(proto::Direction::ReturnValue) => Direction::ReturnValue,
        _ => return invalid("a parameter's direction is not one that this version knows"),
    };
    let Some(kind) = ParameterType::from_name(&parameter.r#type) else {
        return invalid("a parameter's type is not one of the published names");
    };
    Ok(Parameter {
        name: parameter.name,
        direction,
        kind,
        value: parameter.value.map(Hidden::new),
        size: parameter.size,
        type_name: parameter.type_name,
    })
}

/// Site facts for the wire.
pub fn facts_to_proto(facts: &SiteFacts) -> proto::SiteFacts {
    proto::SiteFacts {
        pms_type: facts.pms.type_name().to_owned(),
        pms_id: facts.pms_id.clone(),
        practice_name: facts.practice_name.clone(),
        pms_version: facts.pms_version.clone(),
        link_version: facts.link_version.clone(),
        catalogues: facts
            .catalogues
            .iter()
            .map(|c| proto::Catalogue { name: c.name.clone(), is_default: c.is_default })
            .collect(),
        enriched_at: facts.enriched_at.map_or(0, |at| at.0),
    }
}

/// Site facts off the wire.
pub fn facts_from_proto(facts: proto::SiteFacts) -> Result<SiteFacts, Invalid> {
    let Some(pms) = Pms::from_type_name(&facts.pms_type) else {
        return invalid("pmsType is not one that this version knows");
    };
    let texts = [&facts.pms_id, &facts.practice_name, &facts.pms_version, &facts.link_version];
    let names = facts.catalogues.iter().map(|c| &c.name);
    if facts.catalogues.len() > 64
        || texts.into_iter().chain(names).any(|text| text.len() > limit::NAME_BYTES)
    {
        return invalid("the site's facts are longer than they may be");
    }
    Ok(SiteFacts {
        pms,
        pms_id: facts.pms_id,
        practice_name: facts.practice_name,
        pms_version: facts.pms_version,
        link_version: facts.link_version,
        catalogues: facts
            .catalogues
            .into_iter()
            .map(|c| Catalogue { name: c.name, is_default: c.is_default })
            .collect(),
        enriched_at: (facts.enriched_at > 0).then_some(Timestamp(facts.enriched_at)),
    })
}

/// An error of Halo Link's own, for the wire.
pub fn halo_error(code: i32, message: impl Into<String>) -> proto::Error {
    let kind = proto::ErrorKind::HaloLink.into();
    proto::Error { kind, code, message: message.into(), ..proto::Error::default() }
}

/// An error for the wire.
pub fn error_to_proto(error: &ErrorDetails) -> proto::Error {
    let kind = match error.kind {
        ErrorType::Http => proto::ErrorKind::Http,
        ErrorType::Mssql => proto::ErrorKind::Mssql,
        ErrorType::Fbsql => proto::ErrorKind::Fbsql,
        ErrorType::HaloLink => proto::ErrorKind::HaloLink,
    };
    proto::Error {
        kind: kind.into(),
        code: error.code,
        message: error.message.reveal().clone(),
        state: error.state.map(u32::from),
        line: error.line,
    }
}

/// An error off the wire; a kind that this version does not know counts as Halo's own.
pub fn error_from_proto(error: proto::Error) -> ErrorDetails {
    let kind = match proto::ErrorKind::try_from(error.kind) {
        Ok(proto::ErrorKind::Http) => ErrorType::Http,
        Ok(proto::ErrorKind::Mssql) => ErrorType::Mssql,
        Ok(proto::ErrorKind::Fbsql) => ErrorType::Fbsql,
        _ => ErrorType::HaloLink,
    };
    ErrorDetails {
        kind,
        code: error.code,
        state: error.state.and_then(|state| u8::try_from(state).ok()),
        line: error.line,
        message: Hidden::new(error.message),
    }
}

/// An effect for the wire.
pub fn effect_to_proto(effect: Effect) -> proto::Effect {
    match effect {
        Effect::NotExecuted => proto::Effect::NotExecuted,
        Effect::Executed => proto::Effect::Executed,
        Effect::Unknown => proto::Effect::Unknown,
    }
}

/// An effect off the wire; whatever this version does not know is unknown.
pub fn effect_from_proto(effect: i32) -> Effect {
    match proto::Effect::try_from(effect) {
        Ok(proto::Effect::NotExecuted) => Effect::NotExecuted,
        Ok(proto::Effect::Executed) => Effect::Executed,
        _ => Effect::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command() -> Command {
        Command {
            text: "select @x".into(),
            mode: ExecutionMode::Scalar,
            kind: CommandType::Text,
            parameters: ParameterType::ALL
                .into_iter()
                .map(|kind| Parameter {
                    name: "@x".to_owned(),
                    direction: Direction::InputOutput,
                    kind,
                    value: Some("1".into()),
                    size: Some(8),
                    type_name: Some("dbo.IdList".to_owned()),
                })
                .collect(),
            catalogue: Some("Patients".to_owned()),
        }
    }

    #[test]
    fn a_command_survives_the_wire() {
        assert_eq!(command_from_proto(command_to_proto(&command())), Ok(command()));
    }

    #[test]
    fn what_this_version_does_not_know_is_refused_by_name_and_never_quoted() {
        let mut wire = command_to_proto(&command());
        wire.mode = 99;
        assert!(command_from_proto(wire).unwrap_err().to_string().contains("mode"));
        let mut wire = command_to_proto(&command());
        wire.parameters[0].r#type = "secret-in-the-wrong-place".to_owned();
        assert!(!command_from_proto(wire).unwrap_err().to_string().contains("secret"));
        let mut wire = command_to_proto(&command());
        wire.text = "x".repeat(limit::COMMAND_TEXT_BYTES + 1);
        assert!(command_from_proto(wire).is_err());
    }
}
