#pragma once
#include <weft/storage/database.hpp>
#include <weft/storage/migrate.hpp>
#include <weft/storage/postgres.hpp>
#include <weft/storage/sqlite.hpp>
#include <weft/storage/transact.hpp>
#include <weft/storage/value.hpp>
