create schema if not exists _realtime;
