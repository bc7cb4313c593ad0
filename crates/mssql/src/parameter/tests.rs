use super::*;
use model::CommandType;
use proptest::prelude::*;

fn parameter(
    kind: ParameterType,
    value: Option<String>,
    size: Option<u32>,
    direction: Direction,
) -> Parameter {
    Parameter {
        name: "@p".into(),
        direction,
        kind,
        value: value.map(Into::into),
        size,
        type_name: Some("dbo.T".into()),
    }
}

fn prepared(parameter: Parameter) -> Result<Vec<Prepared>, Failure> {
    let command = Command {
        text: "".into(),
        mode: model::ExecutionMode::Reader,
        kind: CommandType::Text,
        parameters: vec![parameter],
        catalogue: None,
    };
    prepare(&command, &SqlCollation::default())
}

#[test]
fn every_published_type_has_a_null_each_way() {
    for kind in ParameterType::ALL {
        for direction in [Direction::Input, Direction::Output, Direction::InputOutput] {
            let done = prepared(parameter(kind, None, None, direction));
            let table = kind == ParameterType::Structured && direction != Direction::Input;
            assert_eq!(done.is_err(), table, "{kind:?} {direction:?}");
        }
    }
    assert!(prepared(parameter(ParameterType::Int, None, None, Direction::ReturnValue)).unwrap().is_empty());
}

proptest! {
    #[test]
    fn no_text_and_no_size_break_the_conversion(text in any::<String>(), size in any::<Option<u32>>(), index in 0usize..32, out: bool) {
        let direction = if out { Direction::InputOutput } else { Direction::Input };
        let _ = prepared(parameter(ParameterType::ALL[index], Some(text), size, direction));
    }

    #[test]
    fn nearly_right_texts_do_not_break_it(text in "[-+0-9eE.:T Z/$,]{0,40}", size in any::<Option<u32>>(), index in 0usize..32) {
        let _ = prepared(parameter(ParameterType::ALL[index], Some(text), size, Direction::InputOutput));
    }

    #[test]
    fn what_is_cut_is_a_beginning_that_fits(text in any::<String>(), most in 0u32..20) {
        let wide = sized::cut_wide(text.clone(), Some(most));
        prop_assert!(text.starts_with(&wide) && wide.encode_utf16().count() <= most as usize);
        let collation = SqlCollation::default();
        let narrow = sized::cut_narrow(text.clone(), Some(most), &collation);
        prop_assert!(text.starts_with(&narrow) && sized::narrow_length(&narrow, &collation) <= most as usize);
    }
}
