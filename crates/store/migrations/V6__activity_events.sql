-- What happened, as JSON beside its sentence: programs decide by it. Lines of earlier versions have none.
ALTER TABLE activity ADD COLUMN event TEXT;
