extern storage::database& db;
