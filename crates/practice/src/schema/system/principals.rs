//! Who there is, and what is granted to whom: each session sees itself, the fixed roles and the system's own, as SQL Server
//! shows them to who may not see more.

/// Rows of `sys.database_principals` without their dates.
macro_rules! database {
    ($($name:literal $id:literal $type:literal $words:literal $schema:literal $fixed:literal;)*) => {
        concat!(
            "SELECT ts_state('user') COLLATE MSSQL AS name, 5 AS principal_id, 'S' COLLATE MSSQL AS type,
               'SQL_USER' COLLATE MSSQL AS type_desc, 'dbo' COLLATE MSSQL AS default_schema_name,
               '2014-07-01T09:00:00' AS create_date, '2014-07-01T09:00:00' AS modify_date,
               NULL AS owning_principal_id, CAST(ts_state('user') AS BLOB) AS sid, 0 AS is_fixed_role,
               1 AS authentication_type, 'INSTANCE' COLLATE MSSQL AS authentication_type_desc",
            $(" UNION ALL SELECT '", $name, "' COLLATE MSSQL, ", $id, ", '", $type, "' COLLATE MSSQL, '", $words,
               "' COLLATE MSSQL, ", $schema, ", '2014-07-01T09:00:00', '2014-07-01T09:00:00', ",
               "CASE WHEN '", $type, "' = 'R' THEN 1 END, NULL, ", $fixed,
               ", CASE WHEN '", $name, "' = 'dbo' THEN 1 ELSE 0 END,
               CASE WHEN '", $name, "' = 'dbo' THEN 'INSTANCE' ELSE 'NONE' END COLLATE MSSQL",)*
        )
    };
}

pub(super) const DATABASE_PRINCIPALS: &str = database! {
    "public" 0 "R" "DATABASE_ROLE" "NULL" 0;
    "dbo" 1 "S" "SQL_USER" "'dbo'" 0;
    "guest" 2 "S" "SQL_USER" "'guest'" 0;
    "INFORMATION_SCHEMA" 3 "S" "SQL_USER" "NULL" 0;
    "sys" 4 "S" "SQL_USER" "NULL" 0;
    "db_owner" 16384 "R" "DATABASE_ROLE" "NULL" 1;
    "db_accessadmin" 16385 "R" "DATABASE_ROLE" "NULL" 1;
    "db_securityadmin" 16386 "R" "DATABASE_ROLE" "NULL" 1;
    "db_ddladmin" 16387 "R" "DATABASE_ROLE" "NULL" 1;
    "db_backupoperator" 16389 "R" "DATABASE_ROLE" "NULL" 1;
    "db_datareader" 16390 "R" "DATABASE_ROLE" "NULL" 1;
    "db_datawriter" 16391 "R" "DATABASE_ROLE" "NULL" 1;
    "db_denydatareader" 16392 "R" "DATABASE_ROLE" "NULL" 1;
    "db_denydatawriter" 16393 "R" "DATABASE_ROLE" "NULL" 1;
};

pub(super) const DATABASE_ROLE_MEMBERS: &str = "SELECT 16390 AS role_principal_id, 5 AS member_principal_id
    UNION ALL SELECT 16391, 5 WHERE ts_state('reader') = 0";

pub(super) const DATABASE_PERMISSIONS: &str = "SELECT 0 AS class, 'DATABASE' COLLATE MSSQL AS class_desc, 0 AS major_id,
      0 AS minor_id, 5 AS grantee_principal_id, 1 AS grantor_principal_id, 'CO  ' COLLATE MSSQL AS type,
      'CONNECT' COLLATE MSSQL AS permission_name, 'G' COLLATE MSSQL AS state, 'GRANT' COLLATE MSSQL AS state_desc
    UNION ALL SELECT 0, 'DATABASE', 0, 0, 5, 1, 'EX  ', 'EXECUTE', 'G', 'GRANT' WHERE ts_state('reader') = 0";

pub(super) const SERVER_PRINCIPALS: &str = "SELECT ts_state('user') COLLATE MSSQL AS name, 260 AS principal_id,
      CAST(ts_state('user') AS BLOB) AS sid, 'S' COLLATE MSSQL AS type, 'SQL_LOGIN' COLLATE MSSQL AS type_desc,
      0 AS is_disabled, '2014-07-01T09:00:00' AS create_date, '2014-07-01T09:00:00' AS modify_date,
      'BPSPatients' COLLATE MSSQL AS default_database_name, 'British' COLLATE MSSQL AS default_language_name,
      0 AS is_fixed_role
    UNION ALL SELECT 'sa', 1, x'01', 'S', 'SQL_LOGIN', 1, '2014-07-01T09:00:00', '2014-07-01T09:00:00', 'master',
      'us_english', 0
    UNION ALL SELECT 'public', 2, x'02', 'R', 'SERVER_ROLE', 0, '2014-07-01T09:00:00', '2014-07-01T09:00:00', NULL, NULL, 0
    UNION ALL SELECT 'sysadmin', 3, x'03', 'R', 'SERVER_ROLE', 0, '2014-07-01T09:00:00', '2014-07-01T09:00:00', NULL, NULL, 1";

/// Nobody but `sa` is in a role of the whole server.
pub(super) const SERVER_ROLE_MEMBERS: &str = "SELECT 3 AS role_principal_id, 1 AS member_principal_id";
