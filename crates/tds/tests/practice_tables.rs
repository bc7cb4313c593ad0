//! Table-valued parameters and bytes of a type that only client and database know, as mssql-tds sends them to the practice.
#![allow(clippy::unwrap_used, reason = "in a test a failure is a panic")]

mod common;

use common::{
    demo::{SECRET, WRITER, practice},
    mssql::{connect_as, told, walked},
};
use mssql_tds::{
    connection::tds_client::TdsClient,
    datatypes::{
        sql_string::SqlString,
        sql_tvp::{TvpColumnDef, TvpOrderFlags, TvpOrderHint, TvpTableData, TvpTypeName},
        sql_udt::UdtTypeName,
        sqltypes::SqlType,
    },
    message::parameters::rpc_parameters::{RpcParameter, StatusFlags},
};

fn text(words: Option<&str>) -> SqlType {
    SqlType::NVarchar(words.map(|w| SqlString::from_utf8_string(w.to_owned())), 50)
}

fn list(rows: Option<Vec<Vec<SqlType>>>) -> SqlType {
    let columns = vec![TvpColumnDef::new(SqlType::Int(None)), TvpColumnDef::new(text(None))];
    let name = TvpTypeName::new(Some("dbo".to_owned()), "DEMO_IdList".to_owned());
    SqlType::Table(name, rows.map(|rows| TvpTableData::new(columns, rows)))
}

fn row(id: i32, name: Option<&str>) -> Vec<SqlType> {
    vec![SqlType::Int(Some(id)), text(name)]
}

fn given(name: &str, value: SqlType) -> RpcParameter {
    RpcParameter::new(Some(name.to_owned()), StatusFlags::NONE, value)
}

async fn listed(client: &mut TdsClient, value: SqlType) -> Vec<String> {
    let called = client
        .execute_stored_procedure("DEMO_List".to_owned(), None, Some(vec![given("@rows", value)]), ())
        .await;
    walked(client, called).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_procedure_gets_rows_many_rows_no_rows_and_null() {
    let practice = practice().await;
    let mut client = connect_as(&practice.served, WRITER, SECRET, |_| {}).await.unwrap();
    let rows = vec![row(3, Some("Zoë 😀")), row(-1, None), row(i32::MAX, Some(""))];
    assert_eq!(
        listed(&mut client, list(Some(rows))).await,
        ["ID,NAME: -1,null 3,Zoë 😀 2147483647,", "Rows,Named,Total: 3,2,2147483649"]
    );
    assert_eq!(client.get_return_status(), Some(3));
    for none in [list(Some(Vec::new())), list(None)] {
        assert_eq!(listed(&mut client, none).await, ["ID,NAME: ", "Rows,Named,Total: 0,0,null"]);
    }
    let many = list(Some((0..20_000).map(|n| row(n, Some("one of many"))).collect()));
    assert_eq!(listed(&mut client, many).await[1], "Rows,Named,Total: 20000,20000,199990000");
    // Left out, it is empty; and a hint about order changes nothing.
    let left_out = client.execute_stored_procedure("DEMO_List".to_owned(), None, None, ()).await;
    assert_eq!(walked(&mut client, left_out).await[1], "Rows,Named,Total: 0,0,null");
    let SqlType::Table(name, Some(mut hinted)) = list(Some(vec![row(1, None), row(2, None)])) else {
        panic!()
    };
    hinted.order_hints = vec![TvpOrderHint { column_ordinal: 1, flags: TvpOrderFlags::ASC }];
    let hinted = listed(&mut client, SqlType::Table(name, Some(hinted))).await;
    assert_eq!(hinted[1], "Rows,Named,Total: 2,0,3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_reads_the_rows_that_it_is_given() {
    let practice = practice().await;
    let mut client = connect_as(&practice.served, WRITER, SECRET, |_| {}).await.unwrap();
    let rows = || list(Some(vec![row(1, Some("one")), row(2, None), row(7, Some("seven"))]));
    for _ in 0..2 {
        let called = client
            .execute_sp_executesql(
                "SELECT r.ID, r.NAME, n.N FROM @rows AS r JOIN Numbers AS n ON n.N = r.ID WHERE r.ID > @least ORDER BY r.ID"
                    .to_owned(),
                vec![given("@rows", rows()), given("@least", SqlType::Int(Some(1)))],
                (),
            )
            .await;
        assert_eq!(walked(&mut client, called).await, ["ID,NAME,N: 2,null,2 7,seven,7"]);
    }
    // It can't be written, and is gone afterwards.
    let written =
        client.execute_sp_executesql("DELETE FROM @rows".to_owned(), vec![given("@rows", rows())], ()).await;
    let written = walked(&mut client, written).await;
    assert!(written[0].starts_with("error 10700 class 16 "), "{written:?}");
    let gone = told(&mut client, "SELECT * FROM @rows").await;
    assert!(gone[0].starts_with("error 1087 "), "{gone:?}");
    // T-SQL hands its own over in the same way.
    let own = "DECLARE @mine AS dbo.DEMO_IdList INSERT INTO @mine VALUES (5, N'five') EXEC DEMO_List @mine";
    assert_eq!(told(&mut client, own).await, ["1 rows", "ID,NAME: 5,five", "Rows,Named,Total: 1,1,5"]);
    let other = "DECLARE @mine TABLE (ID int, NAME nvarchar(50)) INSERT INTO @mine VALUES (5, N'five') EXEC DEMO_List @mine";
    assert!(told(&mut client, other).await[1].starts_with("error 206 class 16 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_type_is_told_and_the_session_goes_on() {
    let practice = practice().await;
    let mut client = connect_as(&practice.served, WRITER, SECRET, |_| {}).await.unwrap();
    let of = |name: &str, columns: Vec<SqlType>, rows: Vec<Vec<SqlType>>| {
        let columns = columns.into_iter().map(TvpColumnDef::new).collect();
        SqlType::Table(TvpTypeName::new(None, name.to_owned()), Some(TvpTableData::new(columns, rows)))
    };
    let int = || SqlType::Int(None);
    for (value, number) in [
        (of("DEMO_IdList", vec![int()], vec![vec![SqlType::Int(Some(1))]]), 500),
        (of("NoSuchList", vec![int(), text(None)], vec![row(1, None)]), 206),
        (of("DEMO_IdList", vec![int(), text(None)], vec![vec![int(), text(None)]]), 515),
        (of("DEMO_IdList", vec![text(None), text(None)], vec![vec![text(Some("x")), text(None)]]), 245),
        (SqlType::Int(Some(1)), 206),
    ] {
        let called = listed(&mut client, value).await;
        assert!(called[0].starts_with(&format!("error {number} ")), "{number}: {called:?}");
    }
    // Numbers in words are numbers.
    let words =
        of("DEMO_IdList", vec![text(None), int()], vec![vec![text(Some("41")), SqlType::Int(Some(42))]]);
    assert_eq!(listed(&mut client, words).await[0], "ID,NAME: 41,42");
    let scalar = client
        .execute_stored_procedure(
            "DEMO_Wait".to_owned(),
            None,
            Some(vec![given("@seconds", list(Some(vec![row(1, None)])))]),
            (),
        )
        .await;
    assert!(walked(&mut client, scalar).await[0].starts_with("error 206 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_a_type_of_ones_own_go_through() {
    let practice = practice().await;
    let mut client = connect_as(&practice.served, WRITER, SECRET, |_| {}).await.unwrap();
    let own = |bytes: Option<Vec<u8>>| {
        SqlType::Udt(UdtTypeName::new(None, Some("dbo".to_owned()), "DEMO_Bytes".to_owned()), bytes)
    };
    for (bytes, shown) in
        [(Some(vec![0, 1, 255]), "[0, 1, 255],3"), (Some(Vec::new()), "[],0"), (None, "null,null")]
    {
        let given = given("@bytes", own(bytes));
        let called =
            client.execute_stored_procedure("DEMO_EchoBytes".to_owned(), None, Some(vec![given]), ()).await;
        assert_eq!(walked(&mut client, called).await, [format!("Bytes,Size: {shown}")]);
    }
    let large = given("@p", own(Some(vec![7; 3_000_000])));
    let called = client.execute_sp_executesql("SELECT DATALENGTH(@p) AS n".to_owned(), vec![large], ()).await;
    assert_eq!(walked(&mut client, called).await, ["n: 3000000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_tells_of_the_types_columns() {
    let practice = practice().await;
    let mut client = connect_as(&practice.served, WRITER, SECRET, |_| {}).await.unwrap();
    let asked = "SELECT c.name, t.name AS type, c.max_length, c.is_nullable FROM sys.table_types AS tt
        JOIN sys.schemas AS s ON s.schema_id = tt.schema_id
        JOIN sys.columns AS c ON c.object_id = tt.type_table_object_id
        JOIN sys.types AS t ON t.user_type_id = c.user_type_id
        WHERE s.name = N'dbo' AND tt.name = N'DEMO_IdList' ORDER BY c.column_id";
    assert_eq!(
        told(&mut client, asked).await,
        ["name,type,max_length,is_nullable: ID,int,4,false NAME,nvarchar,100,true"]
    );
    let types = "SELECT name, is_table_type, is_assembly_type, SCHEMA_NAME(schema_id) AS s FROM sys.types WHERE is_user_defined = 1 ORDER BY name";
    assert_eq!(
        told(&mut client, types).await,
        ["name,is_table_type,is_assembly_type,s: DEMO_Bytes,false,true,dbo DEMO_IdList,true,false,dbo"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_megabytes_go_in() {
    let practice = practice().await;
    let mut client = connect_as(&practice.served, WRITER, SECRET, |_| {}).await.unwrap();
    let length = 64 << 20;
    let bytes = SqlType::VarBinaryMax(Some(vec![7; length]));
    let called = client
        .execute_sp_executesql(
            "SELECT DATALENGTH(@p) AS n, CAST(@p AS varbinary(2)) AS first".to_owned(),
            vec![given("@p", bytes)],
            (),
        )
        .await;
    assert_eq!(walked(&mut client, called).await, ["n,first: 67108864,[7, 7]"]);
    let words = SqlType::NVarcharMax(Some(SqlString::from_utf8_string("x".repeat(length))));
    let called =
        client.execute_sp_executesql("SELECT LEN(@p) AS n".to_owned(), vec![given("@p", words)], ()).await;
    assert_eq!(walked(&mut client, called).await, ["n: 67108864"]);
}
