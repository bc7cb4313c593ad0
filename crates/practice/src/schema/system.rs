//! SQL Server's own views: tables that the builder fills from the same lists, and what depends on who looks.

mod principals;

use super::Relation;

/// A system view under the schemas it answers to.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) schemas: &'static [&'static str],
    pub(crate) name: &'static str,
    /// Its name there is the embedded engine's.
    pub(crate) relation: Relation,
}

macro_rules! system {
    (@view) => { None };
    (@view $text:expr) => { Some($text) };
    ($($schemas:ident $name:ident $inner:ident $(as $text:expr =>)? { $($column:ident $declared:literal),* $(,)? })*) => {
        &[$(System {
            schemas: $schemas,
            name: stringify!($name),
            relation: Relation {
                name: stringify!($inner),
                columns: &[$((stringify!($column), $declared)),*],
                view: system!(@view $($text)?),
            },
        }),*]
    };
}

const INFO: &[&str] = &["INFORMATION_SCHEMA"];
const SYS: &[&str] = &["sys"];
// The views of SQL Server 2000 answer to both, and to their bare name.
const OLD: &[&str] = &["sys", "dbo", ""];

/// All of them.
pub(crate) const SYSTEM: &[System] = system! {
    INFO TABLES information_schema_tables {
        TABLE_CATALOG "nvarchar(128)", TABLE_SCHEMA "nvarchar(128)", TABLE_NAME "sysname", TABLE_TYPE "varchar(10)",
    }
    INFO VIEWS information_schema_views {
        TABLE_CATALOG "nvarchar(128)", TABLE_SCHEMA "nvarchar(128)", TABLE_NAME "sysname",
        VIEW_DEFINITION "nvarchar(4000)", CHECK_OPTION "varchar(7)", IS_UPDATABLE "varchar(2)",
    }
    INFO COLUMNS information_schema_columns {
        TABLE_CATALOG "nvarchar(128)", TABLE_SCHEMA "nvarchar(128)", TABLE_NAME "sysname", COLUMN_NAME "sysname",
        ORDINAL_POSITION "int", COLUMN_DEFAULT "nvarchar(4000)", IS_NULLABLE "varchar(3)", DATA_TYPE "nvarchar(128)",
        CHARACTER_MAXIMUM_LENGTH "int", CHARACTER_OCTET_LENGTH "int", NUMERIC_PRECISION "tinyint",
        NUMERIC_PRECISION_RADIX "smallint", NUMERIC_SCALE "int", DATETIME_PRECISION "smallint",
        CHARACTER_SET_CATALOG "sysname", CHARACTER_SET_SCHEMA "sysname", CHARACTER_SET_NAME "sysname",
        COLLATION_CATALOG "sysname", COLLATION_SCHEMA "sysname", COLLATION_NAME "sysname", DOMAIN_CATALOG "sysname",
        DOMAIN_SCHEMA "sysname", DOMAIN_NAME "sysname",
    }
    INFO ROUTINES information_schema_routines {
        SPECIFIC_CATALOG "nvarchar(128)", SPECIFIC_SCHEMA "nvarchar(128)", SPECIFIC_NAME "sysname",
        ROUTINE_CATALOG "nvarchar(128)", ROUTINE_SCHEMA "nvarchar(128)", ROUTINE_NAME "sysname",
        ROUTINE_TYPE "nvarchar(20)", DATA_TYPE "sysname", ROUTINE_DEFINITION "nvarchar(4000)", CREATED "datetime",
        LAST_ALTERED "datetime",
    }
    INFO PARAMETERS information_schema_parameters {
        SPECIFIC_CATALOG "nvarchar(128)", SPECIFIC_SCHEMA "nvarchar(128)", SPECIFIC_NAME "sysname",
        ORDINAL_POSITION "int", PARAMETER_MODE "nvarchar(10)", IS_RESULT "nvarchar(10)", PARAMETER_NAME "sysname",
        DATA_TYPE "sysname", CHARACTER_MAXIMUM_LENGTH "int", NUMERIC_PRECISION "tinyint", NUMERIC_SCALE "int",
        DATETIME_PRECISION "smallint",
    }
    INFO SCHEMATA information_schema_schemata {
        CATALOG_NAME "nvarchar(128)", SCHEMA_NAME "nvarchar(128)", SCHEMA_OWNER "nvarchar(128)",
        DEFAULT_CHARACTER_SET_NAME "sysname",
    }
    INFO TABLE_CONSTRAINTS information_schema_table_constraints {
        CONSTRAINT_CATALOG "nvarchar(128)", CONSTRAINT_SCHEMA "nvarchar(128)", CONSTRAINT_NAME "sysname",
        TABLE_CATALOG "nvarchar(128)", TABLE_SCHEMA "nvarchar(128)", TABLE_NAME "sysname", CONSTRAINT_TYPE "varchar(11)",
        IS_DEFERRABLE "varchar(2)", INITIALLY_DEFERRED "varchar(2)",
    }
    INFO KEY_COLUMN_USAGE information_schema_key_column_usage {
        CONSTRAINT_CATALOG "nvarchar(128)", CONSTRAINT_SCHEMA "nvarchar(128)", CONSTRAINT_NAME "sysname",
        TABLE_CATALOG "nvarchar(128)", TABLE_SCHEMA "nvarchar(128)", TABLE_NAME "sysname", COLUMN_NAME "sysname",
        ORDINAL_POSITION "int",
    }
    SYS objects sys_objects {
        name "sysname", object_id "int", principal_id "int", schema_id "int", parent_object_id "int", type "char(2)",
        type_desc "nvarchar(60)", create_date "datetime", modify_date "datetime", is_ms_shipped "bit",
        is_published "bit", is_schema_published "bit",
    }
    SYS all_objects sys_all_objects {
        name "sysname", object_id "int", principal_id "int", schema_id "int", parent_object_id "int", type "char(2)",
        type_desc "nvarchar(60)", create_date "datetime", modify_date "datetime", is_ms_shipped "bit",
        is_published "bit", is_schema_published "bit",
    }
    SYS tables sys_tables {
        name "sysname", object_id "int", principal_id "int", schema_id "int", parent_object_id "int", type "char(2)",
        type_desc "nvarchar(60)", create_date "datetime", modify_date "datetime", is_ms_shipped "bit",
        is_published "bit", is_schema_published "bit", max_column_id_used "int", temporal_type "tinyint",
    }
    SYS views sys_views {
        name "sysname", object_id "int", principal_id "int", schema_id "int", parent_object_id "int", type "char(2)",
        type_desc "nvarchar(60)", create_date "datetime", modify_date "datetime", is_ms_shipped "bit",
        is_published "bit", is_schema_published "bit",
    }
    SYS procedures sys_procedures {
        name "sysname", object_id "int", principal_id "int", schema_id "int", parent_object_id "int", type "char(2)",
        type_desc "nvarchar(60)", create_date "datetime", modify_date "datetime", is_ms_shipped "bit",
        is_published "bit", is_schema_published "bit",
    }
    SYS columns sys_columns {
        object_id "int", name "sysname", column_id "int", system_type_id "tinyint", user_type_id "int",
        max_length "smallint", precision "tinyint", scale "tinyint", collation_name "sysname", is_nullable "bit",
        is_rowguidcol "bit", is_identity "bit", is_computed "bit", default_object_id "int",
    }
    SYS all_columns sys_all_columns {
        object_id "int", name "sysname", column_id "int", system_type_id "tinyint", user_type_id "int",
        max_length "smallint", precision "tinyint", scale "tinyint", collation_name "sysname", is_nullable "bit",
        is_rowguidcol "bit", is_identity "bit", is_computed "bit", default_object_id "int",
    }
    SYS parameters sys_parameters {
        object_id "int", name "sysname", parameter_id "int", system_type_id "tinyint", user_type_id "int",
        max_length "smallint", precision "tinyint", scale "tinyint", is_output "bit", has_default_value "bit",
    }
    SYS types sys_types {
        name "sysname", system_type_id "tinyint", user_type_id "int", schema_id "int", principal_id "int",
        max_length "smallint", precision "tinyint", scale "tinyint", collation_name "sysname", is_nullable "bit",
        is_user_defined "bit", is_assembly_type "bit", default_object_id "int", rule_object_id "int",
        is_table_type "bit",
    }
    SYS table_types sys_table_types {
        name "sysname", system_type_id "tinyint", user_type_id "int", schema_id "int", principal_id "int",
        max_length "smallint", precision "tinyint", scale "tinyint", collation_name "sysname", is_nullable "bit",
        is_user_defined "bit", is_assembly_type "bit", default_object_id "int", rule_object_id "int",
        is_table_type "bit", type_table_object_id "int", is_memory_optimized "bit",
    }
    SYS database_principals sys_database_principals as principals::DATABASE_PRINCIPALS => {
        name "sysname", principal_id "int", type "char(1)", type_desc "nvarchar(60)", default_schema_name "sysname",
        create_date "datetime", modify_date "datetime", owning_principal_id "int", sid "varbinary(85)",
        is_fixed_role "bit", authentication_type "int", authentication_type_desc "nvarchar(60)",
    }
    SYS database_role_members sys_database_role_members as principals::DATABASE_ROLE_MEMBERS => {
        role_principal_id "int", member_principal_id "int",
    }
    SYS database_permissions sys_database_permissions as principals::DATABASE_PERMISSIONS => {
        class "tinyint", class_desc "nvarchar(60)", major_id "int", minor_id "int", grantee_principal_id "int",
        grantor_principal_id "int", type "char(4)", permission_name "nvarchar(128)", state "char(1)",
        state_desc "nvarchar(60)",
    }
    SYS server_principals sys_server_principals as principals::SERVER_PRINCIPALS => {
        name "sysname", principal_id "int", sid "varbinary(85)", type "char(1)", type_desc "nvarchar(60)",
        is_disabled "bit", create_date "datetime", modify_date "datetime", default_database_name "sysname",
        default_language_name "sysname", is_fixed_role "bit",
    }
    SYS server_role_members sys_server_role_members as principals::SERVER_ROLE_MEMBERS => {
        role_principal_id "int", member_principal_id "int",
    }
    SYS schemas sys_schemas { name "sysname", schema_id "int", principal_id "int" }
    SYS databases sys_databases {
        name "sysname", database_id "int", create_date "datetime", compatibility_level "tinyint",
        collation_name "sysname", user_access "tinyint", user_access_desc "nvarchar(60)", is_read_only "bit",
        state "tinyint", state_desc "nvarchar(60)", recovery_model "tinyint", recovery_model_desc "nvarchar(60)",
    }
    SYS indexes sys_indexes {
        object_id "int", name "sysname", index_id "int", type "tinyint", type_desc "nvarchar(60)", is_unique "bit",
        is_primary_key "bit", is_unique_constraint "bit", is_disabled "bit",
    }
    SYS index_columns sys_index_columns {
        object_id "int", index_id "int", index_column_id "int", column_id "int", key_ordinal "tinyint",
        is_descending_key "bit", is_included_column "bit",
    }
    SYS key_constraints sys_key_constraints {
        name "sysname", object_id "int", principal_id "int", schema_id "int", parent_object_id "int", type "char(2)",
        type_desc "nvarchar(60)", create_date "datetime", modify_date "datetime", is_ms_shipped "bit",
        unique_index_id "int", is_system_named "bit",
    }
    SYS foreign_keys sys_foreign_keys {
        name "sysname", object_id "int", schema_id "int", parent_object_id "int", type "char(2)",
        type_desc "nvarchar(60)", referenced_object_id "int", key_index_id "int",
    }
    OLD sysobjects sys_sysobjects {
        name "sysname", id "int", xtype "char(2)", uid "smallint", parent_obj "int", crdate "datetime", type "char(2)",
    }
    OLD syscolumns sys_syscolumns {
        name "sysname", id "int", xtype "tinyint", xusertype "smallint", length "smallint", colid "smallint",
        isnullable "int",
    }
};

#[cfg(test)]
mod tests {
    use crate::schema::Base;

    #[test]
    fn system_views_are_found_by_schema_and_name_without_case() {
        let found = |schema, name| Base::Drugs.system(schema, name).map(|r| r.name);
        assert_eq!(found("SYS", "Objects"), Some("sys_objects"));
        assert_eq!(found("information_schema", "columns"), Some("information_schema_columns"));
        for schema in ["dbo", "sys", ""] {
            assert_eq!(found(schema, "sysobjects"), Some("sys_sysobjects"));
        }
        assert_eq!(found("dbo", "objects"), None);
        assert_eq!(found("sys", "nothing"), None);
        assert!(Base::Patients.relation("sys_objects").is_none(), "not under its inner name");
    }
}
