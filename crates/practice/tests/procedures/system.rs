//! What tools ask of a server: its databases, tables, columns, keys and procedures.

use super::*;

#[test]
fn tools_find_databases_tables_columns_keys_and_procedures() {
    let (_demo, mut session) = practice();
    let s = &mut session;
    for (text, wanted) in [
        (
            "EXEC sp_databases",
            "{\"DATABASE_NAME\":\"BPSDrugs\",\"DATABASE_SIZE\":null,\"REMARKS\":null},{\"DATABASE_NAME\":\"BPSPatients\"",
        ),
        (
            "EXEC sp_tables 'PATIENTS'",
            "[{\"TABLE_QUALIFIER\":\"BPSPatients\",\"TABLE_OWNER\":\"dbo\",\"TABLE_NAME\":\"PATIENTS\",\"TABLE_TYPE\":\"TABLE\",\"REMARKS\":null}]",
        ),
        (
            "sp_tables @table_name = 'BPS%', @table_type = \"'VIEW'\"",
            "\"TABLE_NAME\":\"BPS_Appointments\",\"TABLE_TYPE\":\"VIEW\"",
        ),
        (
            "EXEC BPSPatients.sys.sp_tables @table_name = 'YESN_', @table_owner = 'dbo'",
            "\"TABLE_NAME\":\"YESNO\"",
        ),
        (
            "EXEC master..sp_columns 'YESNO', @column_name = 'YESNOWORD'",
            "[{\"TABLE_QUALIFIER\":\"BPSPatients\",\"TABLE_OWNER\":\"dbo\",\"TABLE_NAME\":\"YESNO\",\"COLUMN_NAME\":\"YESNOWORD\",\"DATA_TYPE\":1,\"TYPE_NAME\":\"char\",\"PRECISION\":5,\"LENGTH\":5,\"SCALE\":null,\"RADIX\":null,\"NULLABLE\":1,\"REMARKS\":null,\"COLUMN_DEF\":null,\"SQL_DATA_TYPE\":1,\"SQL_DATETIME_SUB\":null,\"CHAR_OCTET_LENGTH\":5,\"ORDINAL_POSITION\":2,\"IS_NULLABLE\":\"YES\",\"SS_DATA_TYPE\":39}]",
        ),
        (
            "EXEC sp_columns @table_name = N'APPOINTMENTS', @column_name = 'RECORDID'",
            "\"DATA_TYPE\":4,\"TYPE_NAME\":\"int identity\",\"PRECISION\":10,\"LENGTH\":4,\"SCALE\":0,\"RADIX\":10,\"NULLABLE\":0,",
        ),
        (
            "EXEC sp_columns @table_name = N'APPOINTMENTS', @column_name = 'APPOINTMENTDATE', @ODBCVer = 3",
            "\"DATA_TYPE\":93,\"TYPE_NAME\":\"datetime\",\"PRECISION\":23,\"LENGTH\":16,\"SCALE\":3,\"RADIX\":null,\"NULLABLE\":1,",
        ),
        (
            "EXEC sp_pkeys 'appointments'",
            "[{\"TABLE_QUALIFIER\":\"BPSPatients\",\"TABLE_OWNER\":\"dbo\",\"TABLE_NAME\":\"APPOINTMENTS\",\"COLUMN_NAME\":\"RECORDID\",\"KEY_SEQ\":1,\"PK_NAME\":\"PK_APPOINTMENTS\"}]",
        ),
        (
            "EXEC sp_stored_procedures 'BP[_]AddApp%'",
            "\"PROCEDURE_NAME\":\"BP_AddAppointment;1\",\"NUM_INPUT_PARAMS\":-1",
        ),
        ("EXEC sp_stored_procedures 'BP_AddAppointmentEx'", "\"PROCEDURE_NAME\":\"BP_AddAppointmentEx;1\""),
        (
            "EXEC sp_server_info 1",
            "[{\"attribute_id\":1,\"attribute_name\":\"DBMS_NAME\",\"attribute_value\":\"Microsoft SQL Server\"}]",
        ),
        ("EXEC sp_tables @table_qualifier = 'BPSDrugs'", "must be the name of the current database"),
        ("EXEC sp_who", "error 2812 state 1 in : Could not find stored procedure 'sp_who'."),
    ] {
        let told = batch(s, text);
        assert!(told[0].contains(wanted), "{text}: {told:?}");
    }
    let told = batch(s, "EXEC sp_tables; SELECT COUNT(*) AS n FROM INFORMATION_SCHEMA.TABLES");
    let told: Vec<serde_json::Value> =
        [&told[0], &told[2]].map(|t| serde_json::from_str(t).unwrap()).to_vec();
    assert_eq!(told[0].as_array().unwrap().len() as i64, told[1][0]["n"].as_i64().unwrap());
}
